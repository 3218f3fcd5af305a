"""FlowSchema and PriorityLevelConfiguration, of the group flowcontrol.apiserver.k8s.io. Pure."""

from __future__ import annotations

from typing import Any

from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.cells import AGE, NONE, at, column
from corral.model.kubernetes.kinds.checks import Problems, dns_label, dns_subdomain, each, listed
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill,
    fill_empty,
    flag,
    has,
    indexed,
    metadata,
    number,
    objects,
    part,
    text,
    texts,
)
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_supported, required

_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch")
_SUBJECTS = {"User": "user", "Group": "group", "ServiceAccount": "serviceAccount"}
_MOST_QUEUES = 10_000_000
_NAMESPACES = "each member of this list must be '*' or a DNS-1123 label; "


def _default_schema(obj: Object) -> None:
    fill_empty(ensure(obj, "spec"), "matchingPrecedence", 1000)
    ensure_status(obj)


def _schema(obj: Object) -> Problems:
    spec, name = part(obj, "spec"), text(metadata(obj), "name")
    precedence, path = number(spec, "matchingPrecedence"), "spec.matchingPrecedence"
    if precedence <= 0:
        yield invalid(path, precedence, "must be a positive value")
    if precedence > 10000:
        yield invalid(path, precedence, "must not be greater than 10000")
    if precedence == 1 and name != "exempt":
        yield invalid(path, precedence, "only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec.get("distinguisherMethod")
    if isinstance(method, dict) and text(method, "type") not in ("ByNamespace", "ByUser"):
        yield not_supported("spec.distinguisherMethod.type", method, ("ByNamespace", "ByUser"))
    level, level_at = text(part(spec, "priorityLevelConfiguration"), "name"), "spec.priorityLevelConfiguration.name"
    if level:
        yield from each(level_at, level, dns_subdomain(level))
    else:
        yield required(level_at, "must reference a priority level")
    for rule_at, rule in indexed(spec, "rules", "spec.rules"):
        yield from _rule(rule, rule_at)
    yield from _conditions(obj)


def _rule(rule: Object, path: str) -> Problems:
    if not objects(rule, "subjects"):
        yield required(f"{path}.subjects", "subjects must contain at least one value")
    for at_one, subject in indexed(rule, "subjects", f"{path}.subjects"):
        yield from _subject(subject, at_one)
    if not objects(rule, "resourceRules") and not objects(rule, "nonResourceRules"):
        yield required(path, "at least one of resourceRules and nonResourceRules has to be non-empty")
    for at_one, one in indexed(rule, "resourceRules", f"{path}.resourceRules"):
        yield from _resource_rule(one, at_one)
    for at_one, one in indexed(rule, "nonResourceRules", f"{path}.nonResourceRules"):
        yield from _verbs(one, at_one)
        yield from _urls(texts(one, "nonResourceURLs"), f"{at_one}.nonResourceURLs")


def _subject(subject: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _subject({"kind": "User"}, "s")]
    ["s.user: Required value: user is required when subject kind is 'User'"]
    """
    kind = text(subject, "kind")
    if kind not in _SUBJECTS:
        yield not_supported(f"{path}.kind", kind, tuple(sorted(_SUBJECTS)))
        return
    field = _SUBJECTS[kind]
    found = subject.get(field)
    if not isinstance(found, dict):
        yield required(f"{path}.{field}", f"{field} is required when subject kind is '{kind}'")
    else:
        yield from _named(found, f"{path}.{field}", kind)
    for other, other_field in _SUBJECTS.items():
        if other != kind and has(subject, other_field):
            detail = f"{other_field} is forbidden when subject kind is not '{other}'"
            yield forbidden(f"{path}.{other_field}", detail)


def _named(found: Object, path: str, kind: str) -> Problems:
    name, space = text(found, "name"), text(found, "namespace")
    if not name:
        yield required(f"{path}.name")
    if kind != "ServiceAccount":
        return
    if name and name != "*":
        yield from each(f"{path}.name", name, dns_subdomain(name))
    if space:
        yield from each(f"{path}.namespace", space, dns_label(space))
    else:
        yield required(f"{path}.namespace", "must specify namespace for service account")


def _alone(found: list[str], path: str, what: str, missing: str) -> Problems:
    """A list that is not empty, in which a star stands alone."""
    if not found:
        yield required(path, missing)
    elif "*" in found and len(found) > 1:
        yield invalid(path, found, f"if '*' is present, must not specify other {what}")


def _verbs(rule: Object, path: str) -> Problems:
    found = texts(rule, "verbs")
    yield from _alone(found, f"{path}.verbs", "verbs", "verbs must contain at least one value")
    if "*" not in found and not set(found) <= set(_VERBS):
        yield not_supported(f"{path}.verbs", found, _VERBS)


def _resource_rule(rule: Object, path: str) -> Problems:
    yield from _verbs(rule, path)
    must = "resource rules must supply at least one"
    yield from _alone(texts(rule, "apiGroups"), f"{path}.apiGroups", "api groups", f"{must} api group")
    yield from _alone(texts(rule, "resources"), f"{path}.resources", "resources", f"{must} resource")
    spaces, at_spaces = texts(rule, "namespaces"), f"{path}.namespaces"
    if not spaces and flag(rule, "clusterScope"):
        return
    missing = "resource rules that are not cluster scoped must supply at least one namespace"
    yield from _alone(spaces, at_spaces, "namespaces", missing)
    if "*" not in spaces:
        for index, space in enumerate(spaces):
            for detail in dns_label(space):
                yield invalid(f"{at_spaces}[{index}]", space, _NAMESPACES + detail)


def _urls(found: list[str], path: str) -> Problems:
    yield from _alone(found, path, "non-resource URLs", "nonResourceURLs must contain at least one value")
    for index, url in enumerate(found):
        if url == "*":
            continue
        if not url:
            yield required(f"{path}[{index}]", "must not be empty")
        elif not url.startswith("/"):
            yield invalid(f"{path}[{index}]", url, "must start with slash")
        elif " " in url:
            yield invalid(f"{path}[{index}]", url, "must not contain white-space")
        elif "//" in url:
            yield invalid(f"{path}[{index}]", url, "must not contain double slash")
        elif "*" in url and url.index("*") != len(url) - 1:
            yield invalid(f"{path}[{index}]", url, "wildcard can only do suffix matching")
        elif url.endswith("*") and url[-2] != "/":
            yield invalid(
                f"{path}[{index}]", url, "wildcard character in suffix must be the only character following slash"
            )


def _conditions(obj: Object) -> Problems:
    seen: set[str] = set()
    for at_one, one in indexed(part(obj, "status"), "conditions", "status.conditions"):
        kind = text(one, "type")
        if kind in seen:
            yield duplicate(f"{at_one}.type", kind)
        seen.add(kind)
        if not kind:
            yield required(f"{at_one}.type", "must not be empty")


def _dangling(obj: Object) -> str:
    found = objects(part(obj, "status"), "conditions")
    return next((text(one, "status") for one in found if text(one, "type") == "Dangling"), "?")


FLOW_SCHEMA = Kind(
    default=_default_schema,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_schema),
    validate_status=listed(lambda new, old: _conditions(new)),
    has_status=True,
    columns=(
        column("PriorityLevel", at("spec", "priorityLevelConfiguration", "name")),
        column("MatchingPrecedence", at("spec", "matchingPrecedence", default=0)),
        column("DistinguisherMethod", at("spec", "distinguisherMethod", "type", default=NONE)),
        AGE,
        column("MissingPL", _dangling),
    ),
    allow_unconditional_update=False,
)


def _default_level(obj: Object) -> None:
    spec = ensure(obj, "spec")
    for kind, shares in (("limited", 30), ("exempt", 0)):
        found = spec.get(kind)
        if isinstance(found, dict):
            fill(found, "nominalConcurrencyShares", shares)
            fill(found, "lendablePercent", 0)
    queuing = part(spec, "limited", "limitResponse").get("queuing")
    if isinstance(queuing, dict):
        for key, value in (("queues", 64), ("handSize", 8), ("queueLengthLimit", 50)):
            fill_empty(queuing, key, value)
    if text(spec, "type") == "Exempt":
        fill(ensure(spec, "exempt"), "nominalConcurrencyShares", 0)
        fill(spec["exempt"], "lendablePercent", 0)
    ensure_status(obj)


def _level(obj: Object) -> Problems:
    spec, name = part(obj, "spec"), text(metadata(obj), "name")
    kind, limited, exempt = text(spec, "type"), spec.get("limited"), spec.get("exempt")
    if (name == "exempt") != (kind == "Exempt"):
        detail = "type must be 'Exempt' if and only if `name` is 'exempt'"
        yield invalid("spec.type", kind, detail)
    if kind == "Exempt" and isinstance(limited, dict):
        yield forbidden("spec.limited", "must be nil if the type is not Limited")
    elif kind == "Limited":
        if isinstance(exempt, dict):
            yield forbidden("spec.exempt", "must be nil if the type is Limited")
        if isinstance(limited, dict):
            yield from _limited(limited, "spec.limited")
        else:
            yield required("spec.limited", "must not be empty when type is Limited")
    elif kind != "Exempt":
        yield not_supported("spec.type", kind, ("Exempt", "Limited"))
    yield from _conditions(obj)


def _limited(found: Object, path: str) -> Problems:
    shares, lendable = number(found, "nominalConcurrencyShares"), number(found, "lendablePercent")
    if shares < 0:
        yield invalid(f"{path}.nominalConcurrencyShares", shares, "must be a non-negative integer")
    if not 0 <= lendable <= 100:
        yield invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive")
    if has(found, "borrowingLimitPercent") and number(found, "borrowingLimitPercent") < 0:
        value = number(found, "borrowingLimitPercent")
        yield invalid(f"{path}.borrowingLimitPercent", value, "if specified, must be a non-negative integer")
    response = part(found, "limitResponse")
    kind, queuing, at_response = text(response, "type"), response.get("queuing"), f"{path}.limitResponse"
    if kind == "Reject":
        if isinstance(queuing, dict):
            yield forbidden(f"{at_response}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif kind == "Queue":
        if not isinstance(queuing, dict):
            detail = "must not be empty if limited.limitResponse.type is Limited"
            yield required(f"{at_response}.queuing", detail)
        else:
            yield from _queuing(queuing, f"{at_response}.queuing")
    else:
        yield not_supported(f"{at_response}.type", kind, ("Queue", "Reject"))


def _queuing(found: Object, path: str) -> Problems:
    queues, hand = number(found, "queues"), number(found, "handSize")
    if number(found, "queueLengthLimit") <= 0:
        yield invalid(f"{path}.queueLengthLimit", number(found, "queueLengthLimit"), "must be positive")
    if queues <= 0:
        yield invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _MOST_QUEUES:
        yield invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}")
    if hand <= 0:
        yield invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")


def _queue(key: str) -> Any:
    return at("spec", "limited", "limitResponse", "queuing", key, default=NONE)


PRIORITY_LEVEL_CONFIGURATION = Kind(
    default=_default_level,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_level),
    validate_status=listed(lambda new, old: _conditions(new)),
    has_status=True,
    columns=(
        column("Type", at("spec", "type")),
        column("NominalConcurrencyShares", at("spec", "limited", "nominalConcurrencyShares", default=NONE)),
        column("Queues", _queue("queues")),
        column("HandSize", _queue("handSize")),
        column("QueueLengthLimit", _queue("queueLengthLimit")),
        AGE,
    ),
    allow_unconditional_update=False,
)
