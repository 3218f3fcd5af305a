"""Webhooks and admission policies, of the group admissionregistration.k8s.io. Pure.

Expressions are looked at only as far as they must be there; whether they are well is known where they are compiled.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Column, Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, UNSET, at, column, count, selector_text
from corral.model.kubernetes.kinds.checks import (
    Problems,
    each,
    label_selector,
    listed,
    need,
    optional_of,
    qualified_name,
)
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill,
    has,
    indexed,
    number,
    objects,
    part,
    text,
    texts,
)
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_supported, required

_FAILURES, _MATCHES, _SCOPES = ("Fail", "Ignore"), ("Equivalent", "Exact"), ("*", "Cluster", "Namespaced")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_VERSIONS = ("v1", "v1beta1")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_MOST_CONDITIONS = 64


def _default_match(found: Object) -> None:
    fill(found, "matchPolicy", "Equivalent")
    fill(found, "namespaceSelector", {})
    fill(found, "objectSelector", {})
    for kind in ("rules", "resourceRules", "excludeResourceRules"):
        for rule in objects(found, kind):
            fill(rule, "scope", "*")


def _default_webhooks(obj: Object) -> None:
    for hook in objects(obj, "webhooks"):
        fill(hook, "failurePolicy", "Fail")
        fill(hook, "timeoutSeconds", 10)
        _default_match(hook)
        service = part(hook, "clientConfig").get("service")
        if isinstance(service, dict):
            fill(service, "port", 443)


def _default_mutating(obj: Object) -> None:
    _default_webhooks(obj)
    for hook in objects(obj, "webhooks"):
        fill(hook, "reinvocationPolicy", "Never")


def _webhooks(obj: Object) -> Problems:
    seen: set[str] = set()
    for path, hook in indexed(obj, "webhooks", "webhooks"):
        yield from _webhook(hook, path)
        name = text(hook, "name")
        if name and name in seen:
            yield duplicate(f"{path}.name", name)
        seen.add(name)


def _webhook(hook: Object, path: str) -> Problems:
    name = text(hook, "name")
    if name:
        yield from each(f"{path}.name", name, names.fully_qualified(name))
    else:
        yield required(f"{path}.name")
    for rule_at, rule in indexed(hook, "rules", f"{path}.rules"):
        yield from check_rule(rule, rule_at)
    yield from optional_of(hook, "failurePolicy", path, _FAILURES)
    yield from optional_of(hook, "matchPolicy", path, _MATCHES)
    if not has(hook, "sideEffects"):
        yield required(f"{path}.sideEffects", "must specify one of None, NoneOnDryRun")
    yield from optional_of(hook, "sideEffects", path, ("None", "NoneOnDryRun"))
    seconds = number(hook, "timeoutSeconds")
    if has(hook, "timeoutSeconds") and not 1 <= seconds <= 30:
        yield invalid(f"{path}.timeoutSeconds", seconds, "the timeout value must be between 1 and 30 seconds")
    yield from optional_of(hook, "reinvocationPolicy", path, ("IfNeeded", "Never"))
    for key in ("namespaceSelector", "objectSelector"):
        yield from label_selector(hook, key, f"{path}.{key}")
    yield from _client(part(hook, "clientConfig"), f"{path}.clientConfig")
    yield from check_conditions(hook, f"{path}.matchConditions")
    yield from _review_versions(texts(hook, "admissionReviewVersions"), f"{path}.admissionReviewVersions")


def _client(config: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _client({}, "c")]
    ['c: Required value: exactly one of url or service is required']
    """
    url, service = config.get("url"), config.get("service")
    if (url is None) == (service is None):
        yield required(path, "exactly one of url or service is required")
    elif isinstance(url, str):
        yield from webhook_url(url, f"{path}.url")
    elif isinstance(service, dict):
        yield from webhook_service(service, f"{path}.service")


def webhook_url(url: str, path: str) -> Problems:
    form = "; desired format: https://host[/path]"
    try:
        found = urlsplit(url)
    except ValueError as error:
        yield required(path, f"url must be a valid URL: {error}{form}")
        return
    if found.scheme != "https":
        yield invalid(path, found.scheme, f"'https' is the only allowed URL scheme{form}")
    if not found.netloc:
        yield invalid(path, found.netloc, f"host must be specified{form}")
    if "@" in found.netloc:
        yield invalid(path, found.username or "", "user information is not permitted in the URL")
    if found.fragment:
        yield invalid(path, found.fragment, "fragments are not permitted in the URL")
    if found.query:
        yield invalid(path, found.query, "query parameters are not permitted in the URL")


def webhook_service(service: Object, path: str) -> Problems:
    for key in ("name", "namespace"):
        if not text(service, key):
            yield required(f"{path}.{key}", f"service {key} is required")
    if problems := names.port_number(number(service, "port")):
        detail = f"port is not valid: {','.join(problems)}"
        yield invalid(f"{path}.port", number(service, "port"), detail)
    where = service.get("path")
    if not isinstance(where, str) or where == "/":
        return
    if not where.startswith("/"):
        yield invalid(f"{path}.path", where, "must start with a '/'")
    elif where.endswith("/"):
        where = where[:-1]
    for index, step in enumerate(where.lstrip("/").split("/")):
        if not step:
            yield invalid(f"{path}.path", where, f"segment[{index}] may not be empty")
        else:
            for detail in names.dns_subdomain(step):
                yield invalid(f"{path}.path", where, f"segment[{index}]: {detail}")


def check_rule(rule: Object, path: str) -> Problems:
    """A rule with operations, of a webhook or a policy."""
    operations = texts(rule, "operations")
    if not operations:
        yield required(f"{path}.operations")
    if len(operations) > 1 and "*" in operations:
        detail = "if '*' is present, must not specify other operations"
        yield invalid(f"{path}.operations", operations, detail)
    for index, operation in enumerate(operations):
        if operation not in _OPERATIONS:
            yield not_supported(f"{path}.operations[{index}]", operation, _OPERATIONS)
    for key, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        found = texts(rule, key)
        if not found:
            yield required(f"{path}.{key}")
        if len(found) > 1 and "*" in found:
            yield invalid(f"{path}.{key}", found, f"if '*' is present, must not specify other {what}")
    for index, version in enumerate(texts(rule, "apiVersions")):
        if not version:
            yield required(f"{path}.apiVersions[{index}]")
    yield from _resources(texts(rule, "resources"), f"{path}.resources")
    yield from optional_of(rule, "scope", path, _SCOPES)


def _resources(found: list[str], path: str) -> Problems:
    if not found:
        yield required(path)
    wild_subs: set[str] = set()
    wild_resources: set[str] = set()
    for index, one in enumerate(found):
        if not one:
            yield required(f"{path}[{index}]")
            continue
        resource, slash, sub = one.partition("/")
        if not slash:
            continue
        if resource in wild_subs:
            yield invalid(f"{path}[{index}]", one, f"if '{resource}/*' is present, must not specify {one}")
        if sub in wild_resources:
            yield invalid(f"{path}[{index}]", one, f"if '*/{sub}' is present, must not specify {one}")
        if sub == "*":
            wild_subs.add(resource)
        if resource == "*":
            wild_resources.add(sub)
    if len(found) > 1 and "*/*" in found:
        yield invalid(path, found, "if '*/*' is present, must not specify other resources")
    if "*" in found and any("/" not in one and one != "*" for one in found):
        detail = "if '*' is present, must not specify other resources without subresources"
        yield invalid(path, found, detail)


def check_conditions(holder: Object, path: str) -> Problems:
    found = objects(holder, "matchConditions")
    if len(found) > _MOST_CONDITIONS:
        yield invalid(path, len(found), f"must have at most {_MOST_CONDITIONS} items")
    seen: set[str] = set()
    for at_one, one in indexed(holder, "matchConditions", path):
        name = text(one, "name")
        if not text(one, "expression").strip():
            yield required(f"{at_one}.expression")
        if not name:
            yield required(f"{at_one}.name")
        else:
            yield from each(f"{at_one}.name", name, qualified_name(name))
        if name in seen:
            yield duplicate(f"{at_one}.name", name)
        seen.add(name)


def _review_versions(found: list[str], path: str) -> Problems:
    if not found:
        yield required(path, f"must specify one of {', '.join(_VERSIONS)}")
        return
    for index, version in enumerate(found):
        if version in found[:index]:
            yield invalid(f"{path}[{index}]", version, "duplicate version")
        else:
            yield from each(f"{path}[{index}]", version, names.dns_1035_label(version))
    if not set(found) & set(_VERSIONS):
        yield invalid(path, found, f"must include at least one of {', '.join(_VERSIONS)}")


_WEBHOOK_COLUMNS = (column("Webhooks", lambda obj: count(obj.get("webhooks")), "integer"), AGE)

VALIDATING_WEBHOOK_CONFIGURATION = Kind(
    default=_default_webhooks,
    validate=listed(_webhooks),
    columns=_WEBHOOK_COLUMNS,
    allow_unconditional_update=False,
)
MUTATING_WEBHOOK_CONFIGURATION = Kind(
    default=_default_mutating,
    validate=listed(_webhooks),
    columns=_WEBHOOK_COLUMNS,
    allow_unconditional_update=False,
)


def _default_policy(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill(spec, "failurePolicy", "Fail")
    if isinstance(spec.get("matchConstraints"), dict):
        _default_match(spec["matchConstraints"])
    ensure_status(obj)


def _default_mutating_policy(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill(spec, "failurePolicy", "Fail")
    fill(spec, "reinvocationPolicy", "Never")
    if isinstance(spec.get("matchConstraints"), dict):
        _default_match(spec["matchConstraints"])


def _policy(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from optional_of(spec, "failurePolicy", "spec", _FAILURES)
    if isinstance(spec.get("paramKind"), dict):
        yield from need(spec["paramKind"], "spec.paramKind", "apiVersion", "kind")
    constraints, path = spec.get("matchConstraints"), "spec.matchConstraints"
    if not isinstance(constraints, dict):
        yield required(path)
    else:
        yield from _match(constraints, path)
        if not objects(constraints, "resourceRules"):
            yield required(f"{path}.resourceRules")
    yield from check_conditions(spec, "spec.matchConditions")
    seen: set[str] = set()
    for at_one, variable in indexed(spec, "variables", "spec.variables"):
        name = text(variable, "name")
        yield from need(variable, at_one, "name", "expression")
        if name:
            yield from each(f"{at_one}.name", name, _identifier(name))
        if name in seen:
            yield duplicate(f"{at_one}.name", name)
        seen.add(name)


def _identifier(name: str) -> list[str]:
    return [] if not names.c_identifier(name) else [f"must be a valid CEL identifier: {name}"]


def _match(found: Object, path: str) -> Problems:
    yield from optional_of(found, "matchPolicy", path, _MATCHES)
    for key in ("namespaceSelector", "objectSelector"):
        if not has(found, key):
            yield required(f"{path}.{key}")
        yield from label_selector(found, key, f"{path}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for at_one, rule in indexed(found, key, f"{path}.{key}"):
            for index, name in enumerate(texts(rule, "resourceNames")):
                yield from each(f"{at_one}.resourceNames[{index}]", name, names.path_segment(name))
            yield from check_rule(rule, at_one)


def _validating_policy(obj: Object) -> Problems:
    yield from _policy(obj)
    spec = part(obj, "spec")
    if not objects(spec, "validations") and not objects(spec, "auditAnnotations"):
        detail = "validations or auditAnnotations must contain at least one item"
        for key in ("validations", "auditAnnotations"):
            yield required(f"spec.{key}", detail)
    for at_one, one in indexed(spec, "validations", "spec.validations"):
        if not text(one, "expression").strip():
            yield required(f"{at_one}.expression", "expression is not specified")
        if has(one, "message") and not text(one, "message").strip():
            detail = "message must be non-empty if specified"
            yield invalid(f"{at_one}.message", one["message"], detail)
        elif "\n" in text(one, "message").strip():
            yield invalid(f"{at_one}.message", one["message"], "message must not contain line breaks")
        yield from optional_of(one, "reason", at_one, _REASONS)
    for at_one, note in indexed(spec, "auditAnnotations", "spec.auditAnnotations"):
        yield from need(note, at_one, "key", "valueExpression")


def _mutating_policy(obj: Object) -> Problems:
    yield from _policy(obj)
    spec = part(obj, "spec")
    if not objects(spec, "mutations"):
        yield required("spec.mutations", "mutations must contain at least one item")
    for at_one, one in indexed(spec, "mutations", "spec.mutations"):
        kind = text(one, "patchType")
        if kind not in ("ApplyConfiguration", "JSONPatch"):
            yield not_supported(f"{at_one}.patchType", kind, ("ApplyConfiguration", "JSONPatch"))
            continue
        field, other = ("applyConfiguration", "jsonPatch") if kind[0] == "A" else ("jsonPatch", "applyConfiguration")
        if not isinstance(one.get(field), dict):
            yield required(f"{at_one}.{field}", f"must be specified when patchType is {kind}")
        if has(one, other):
            yield forbidden(f"{at_one}.{other}", f"must not be specified when patchType is {kind}")


def _param_kind(obj: Object) -> str:
    kind = part(obj, "spec").get("paramKind")
    return f"{text(kind, 'apiVersion')}/{text(kind, 'kind')}" if isinstance(kind, dict) else UNSET


def _policy_columns(name: str, key: str) -> tuple[Column, ...]:
    counted = column(name, lambda obj: count(part(obj, "spec").get(key)), "integer")
    return counted, column("ParamKind", _param_kind), AGE


VALIDATING_ADMISSION_POLICY = Kind(
    default=_default_policy,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validating_policy),
    has_status=True,
    columns=_policy_columns("Validations", "validations"),
    allow_unconditional_update=False,
)
MUTATING_ADMISSION_POLICY = Kind(
    default=_default_mutating_policy,
    validate=listed(_mutating_policy),
    columns=_policy_columns("Mutations", "mutations"),
    allow_unconditional_update=False,
)


def _default_binding(obj: Object) -> None:
    if isinstance(part(obj, "spec").get("matchResources"), dict):
        _default_match(obj["spec"]["matchResources"])


def _binding(obj: Object) -> Problems:
    spec = part(obj, "spec")
    name = text(spec, "policyName")
    if not name:
        yield required("spec.policyName")
    else:
        yield from each("spec.policyName", name, names.dns_subdomain(name))
    if isinstance(spec.get("paramRef"), dict):
        yield from _param_ref(spec["paramRef"], "spec.paramRef")
    if isinstance(spec.get("matchResources"), dict):
        yield from _match(spec["matchResources"], "spec.matchResources")


def _param_ref(ref: Object, path: str) -> Problems:
    name, selector = text(ref, "name"), ref.get("selector")
    if name:
        yield from each(f"{path}.name", name, names.path_segment(name))
        if selector is not None:
            detail = "name and selector are mutually exclusive"
            yield forbidden(f"{path}.name", detail)
    elif selector is None:
        yield required(path, "one of name or selector must be specified")
    yield from label_selector(ref, "selector", f"{path}.selector")
    yield from optional_of(ref, "parameterNotFoundAction", path, ("Allow", "Deny"))
    if not has(ref, "parameterNotFoundAction"):
        yield required(f"{path}.parameterNotFoundAction")


_VALIDATION_ACTIONS = ("Audit", "Deny", "Warn")


def _validating_binding(obj: Object) -> Problems:
    yield from _binding(obj)
    actions = texts(part(obj, "spec"), "validationActions")
    if not actions:
        yield required("spec.validationActions", "at least one validation action is required")
    for index, action in enumerate(actions):
        if action not in _VALIDATION_ACTIONS:
            yield not_supported(f"spec.validationActions[{index}]", action, _VALIDATION_ACTIONS)
        elif action in actions[:index]:
            yield duplicate(f"spec.validationActions[{index}]", action)
    if {"Deny", "Warn"} <= set(actions):
        detail = "must not contain both Deny and Warn (repeating the same validation failure information in the API "
        detail += "response and headers serves no purpose)"
        yield invalid("spec.validationActions", actions, detail)


def _param(obj: Object) -> str:
    ref = part(obj, "spec").get("paramRef")
    if not isinstance(ref, dict):
        return UNSET
    if name := text(ref, "name"):
        return f"{text(ref, 'namespace') or '*'}/{name}"
    return (selector_text(ref["selector"]) or "") if has(ref, "selector") else UNSET


_BINDING_COLUMNS = (column("PolicyName", at("spec", "policyName")), column("ParamRef", _param), AGE)

VALIDATING_ADMISSION_POLICY_BINDING = Kind(
    default=_default_binding,
    validate=listed(_validating_binding),
    columns=_BINDING_COLUMNS,
    allow_unconditional_update=False,
)
MUTATING_ADMISSION_POLICY_BINDING = Kind(
    default=_default_binding,
    validate=listed(_binding),
    columns=_BINDING_COLUMNS,
    allow_unconditional_update=False,
)
