"""Where a pod may run: affinity, tolerations, spreading, gates. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds import checks
from corral.model.kubernetes.kinds.checks import Problems, dns_label, dns_subdomain, each, label_name, label_selector
from corral.model.kubernetes.kinds.fields import has, indexed, number, objects, part, text, texts, values
from corral.model.kubernetes.problems import duplicate, forbidden, invalid, not_supported, required

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
_POLICIES = ("Honor", "Ignore")
_NO_OPERATOR = "not a valid selector operator"


def check_affinity(spec: Object, path: str) -> Problems:
    affinity = part(spec, "affinity")
    yield from _node_affinity(part(affinity, "nodeAffinity"), f"{path}.nodeAffinity")
    for kind in ("podAffinity", "podAntiAffinity"):
        yield from _pod_affinity(part(affinity, kind), f"{path}.{kind}")


def _node_affinity(found: Object, path: str) -> Problems:
    if isinstance(found.get(REQUIRED), dict):
        yield from node_selector(found[REQUIRED], f"{path}.{REQUIRED}")
    for at, term in indexed(found, PREFERRED, f"{path}.{PREFERRED}"):
        yield from _weight(term, at)
        yield from _node_term(part(term, "preference"), f"{at}.preference", any_value=True)


def _weight(term: Object, path: str) -> Problems:
    if not 0 < number(term, "weight") <= 100:
        yield invalid(f"{path}.weight", number(term, "weight"), "must be in the range 1-100")


def node_selector(found: Object, path: str) -> Problems:
    if not objects(found, "nodeSelectorTerms"):
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for at, term in indexed(found, "nodeSelectorTerms", f"{path}.nodeSelectorTerms"):
        yield from _node_term(term, at)


def _node_term(term: Object, path: str, any_value: bool = False) -> Problems:
    for at, one in indexed(term, "matchExpressions", f"{path}.matchExpressions"):
        yield from _node_requirement(one, at, any_value)
    for at, one in indexed(term, "matchFields", f"{path}.matchFields"):
        yield from _node_field(one, at)


def _node_requirement(one: Object, path: str, any_value: bool) -> Problems:
    operator, found = text(one, "operator"), texts(one, "values")
    if operator in ("In", "NotIn"):
        if not found:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if found:
            yield forbidden(f"{path}.values", "may not be specified when `operator` is 'Exists' or 'DoesNotExist'")
    elif operator in ("Gt", "Lt"):
        if len(found) != 1:
            yield required(f"{path}.values", "must be specified single value when `operator` is 'Lt' or 'Gt'")
    else:
        yield invalid(f"{path}.operator", operator, _NO_OPERATOR)
    yield from label_name(text(one, "key"), f"{path}.key")
    if not any_value:
        for index, value in enumerate(found):
            yield from each(f"{path}.values[{index}]", value, checks.label_value(value))


def _node_field(one: Object, path: str) -> Problems:
    found = texts(one, "values")
    if text(one, "operator") not in ("In", "NotIn"):
        yield invalid(f"{path}.operator", text(one, "operator"), _NO_OPERATOR)
    elif len(found) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", detail)
    if text(one, "key") != "metadata.name":
        yield invalid(f"{path}.key", text(one, "key"), "not a valid field selector key")
    else:
        for index, value in enumerate(found):
            yield from each(f"{path}.values[{index}]", value, dns_subdomain(value))


def _pod_affinity(found: Object, path: str) -> Problems:
    for at, term in indexed(found, REQUIRED, f"{path}.{REQUIRED}"):
        yield from _pod_term(term, at)
    for at, weighted in indexed(found, PREFERRED, f"{path}.{PREFERRED}"):
        yield from _weight(weighted, at)
        yield from _pod_term(part(weighted, "podAffinityTerm"), f"{at}.podAffinityTerm")


def _pod_term(term: Object, path: str) -> Problems:
    """
    >>> [str(one) for one in _pod_term({}, "p")][0]
    'p.topologyKey: Required value: can not be empty'
    """
    for key in ("labelSelector", "namespaceSelector"):
        yield from label_selector(term, key, f"{path}.{key}")
    for name in texts(term, "namespaces"):
        yield from each(f"{path}.namespace", name, dns_label(name))
    yield from _match_keys(term, path)
    if not text(term, "topologyKey"):
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from label_name(text(term, "topologyKey"), f"{path}.topologyKey")


def _match_keys(term: Object, path: str) -> Problems:
    matching, mismatching = texts(term, "matchLabelKeys"), texts(term, "mismatchLabelKeys")
    for key, found in (("matchLabelKeys", matching), ("mismatchLabelKeys", mismatching)):
        if found and not isinstance(term.get("labelSelector"), dict):
            yield forbidden(f"{path}.{key}", "must not be specified when labelSelector is not set")
        elif found:
            for index, one in enumerate(found):
                yield from label_name(one, f"{path}.{key}[{index}]")
    yield from _twice_selected(term, matching, path)
    for index, one in enumerate(matching):
        if one in mismatching:
            detail = "exists in both matchLabelKeys and mismatchLabelKeys"
            yield invalid(f"{path}.matchLabelKeys[{index}]", one, detail)


def _twice_selected(term: Object, matching: Sequence[str], path: str) -> Problems:
    """The keys become expressions of the selector; those that the user wrote there, too, are refused."""
    selector = part(term, "labelSelector")
    seen = set(part(selector, "matchLabels"))
    for one in objects(selector, "matchExpressions"):
        key = text(one, "key")
        if key in matching and key in seen:
            at = f"{path}[{matching.index(key)}]"
            yield invalid(at, key, "exists in both matchLabelKeys and labelSelector")
        seen.add(key)


def check_spread(spec: Object, path: str) -> Problems:
    constraints = objects(spec, "topologySpreadConstraints")
    for index, (at, one) in enumerate(indexed(spec, "topologySpreadConstraints", path)):
        yield from checks.positive(one, at, "maxSkew")
        key, action = text(one, "topologyKey"), text(one, "whenUnsatisfiable")
        if not key:
            yield required(f"{at}.topologyKey", "can not be empty")
        if action not in _ACTIONS:
            yield not_supported(f"{at}.whenUnsatisfiable", action, _ACTIONS)
        later = {(text(other, "topologyKey"), text(other, "whenUnsatisfiable")) for other in constraints[index + 1 :]}
        if (key, action) in later:
            yield duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        yield from _min_domains(one, action, f"{at}.minDomains")
        for policy in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            yield from checks.optional_of(one, policy, at, _POLICIES)
        yield from _match_keys(one, at)
        yield from label_selector(one, "labelSelector", f"{at}.labelSelector")


def _min_domains(one: Object, action: str, path: str) -> Problems:
    if not has(one, "minDomains"):
        return
    value = number(one, "minDomains")
    if value <= 0:
        yield invalid(path, value, checks.NOT_POSITIVE)
    if action != "DoNotSchedule":
        yield invalid(path, value, f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}")


def check_tolerations(holder: Object, path: str) -> Problems:
    for at, one in indexed(holder, "tolerations", path):
        key, effect = text(one, "key"), text(one, "effect")
        if key:
            yield from label_name(key, f"{at}.key")
        elif text(one, "operator") != "Exists":
            detail = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            yield invalid(f"{at}.operator", text(one, "operator"), detail)
        if has(one, "tolerationSeconds") and effect != "NoExecute":
            yield invalid(f"{at}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
        yield from _toleration_operator(one, at)
        if effect and effect not in EFFECTS:
            yield not_supported(f"{at}.effect", effect, EFFECTS)


def _toleration_operator(one: Object, path: str) -> Problems:
    operator, value = text(one, "operator"), text(one, "value")
    if operator in ("", "Equal"):
        if problems := checks.label_value(value):
            yield invalid(f"{path}.operator", value, ";".join(problems))
    elif operator == "Exists":
        if value:
            yield invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'")
    else:
        yield not_supported(f"{path}.operator", operator, ("Equal", "Exists"))


def check_taints(holder: Object, path: str) -> Problems:
    """The taints of a node."""
    seen: set[tuple[str, str]] = set()
    for at, taint in indexed(holder, "taints", path):
        key, effect, value = text(taint, "key"), text(taint, "effect"), text(taint, "value")
        yield from label_name(key, f"{at}.key")
        if problems := checks.label_value(value):
            yield invalid(f"{at}.value", value, ";".join(problems))
        yield from checks.one_of(taint, "effect", at, EFFECTS)
        if (key, effect) in seen:
            problem = duplicate(at, taint)
            yield type(problem)(problem.type, at, "taints must be unique by key and effect pair", taint)
        seen.add((key, effect))


def check_gates(spec: Object, path: str) -> Problems:
    seen: set[str] = set()
    for at, gate in indexed(spec, "schedulingGates", path):
        name = text(gate, "name")
        yield from each(at, name, checks.qualified_name(name))
        if name in seen:
            yield duplicate(at, name)
        seen.add(name)


def has_gates(spec: Object) -> bool:
    return bool(values(spec, "schedulingGates"))
