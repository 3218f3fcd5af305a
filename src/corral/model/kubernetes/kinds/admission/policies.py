"""Admission policies and their bindings. Pure.

Expressions are looked at only as far as they must be there; whether they are well is known where they are compiled.
"""

from __future__ import annotations

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Column, Kind, Object
from corral.model.kubernetes.kinds.admission.rules import FAILURES, MATCHES, check_conditions, check_rule, default_match
from corral.model.kubernetes.kinds.cells import AGE, UNSET, at, column, count, selector_text
from corral.model.kubernetes.kinds.checks import (
    Problems,
    each,
    label_selector,
    listed,
    need,
    optional_of,
)
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill,
    has,
    indexed,
    metadata,
    objects,
    part,
    text,
    texts,
)
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_supported, required

_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")


def _default_policy(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill(spec, "failurePolicy", "Fail")
    if isinstance(spec.get("matchConstraints"), dict):
        default_match(spec["matchConstraints"])
    ensure_status(obj)


def _default_mutating_policy(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill(spec, "failurePolicy", "Fail")
    fill(spec, "reinvocationPolicy", "Never")
    if isinstance(spec.get("matchConstraints"), dict):
        default_match(spec["matchConstraints"])


def _policy(obj: Object) -> Problems:
    spec = part(obj, "spec")
    yield from optional_of(spec, "failurePolicy", "spec", FAILURES)
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
        for key in ("name", "expression"):
            if not text(variable, key).strip():
                yield required(f"{at_one}.{key}", f"{key} is not specified")
        if name.strip() and names.c_identifier(name):
            yield invalid(f"{at_one}.name", name, "name is not a valid CEL identifier")
        if name in seen:
            yield duplicate(f"{at_one}.name", name)
        seen.add(name)


def _match(found: Object, path: str) -> Problems:
    yield from optional_of(found, "matchPolicy", path, MATCHES)
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
    policy, seen = text(metadata(obj), "name"), set[str]()
    for at_one, note in indexed(spec, "auditAnnotations", "spec.auditAnnotations"):
        key = text(note, "key")
        yield from each(f"{at_one}.key", f"{policy}/{key}", names.qualified_name(f"{policy}/{key}"))
        if not text(note, "valueExpression").strip():
            yield required(f"{at_one}.valueExpression", "valueExpression is not specified")
        if key in seen:
            yield duplicate(f"{at_one}.key", key)
        seen.add(key)


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
        default_match(obj["spec"]["matchResources"])


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
