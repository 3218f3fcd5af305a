"""What an object uses up, in the names that quotas have for it. Pure. Follows pkg/quota/v1/evaluator/core."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.apiserver.admission.limit_ranges import total
from corral.cluster.apiserver.admission.plugin import Object
from corral.model.kubernetes.kinds.fields import has, number, objects, part, text, texts
from corral.model.kubernetes.quantity import Quantity, of, of_json

Usage = dict[str, Quantity]
COUNTED: Final = ("persistentvolumeclaims", "services")
_CORE: Final = ("configmaps", "persistentvolumeclaims", "pods", "replicationcontrollers", "resourcequotas", "secrets")
_PLAIN: Final = ("cpu", "memory", "ephemeral-storage")
_COMPUTE: Final = frozenset((*_PLAIN, *(f"{kind}.{name}" for kind in ("requests", "limits") for name in _PLAIN)))


def kind_of_usage(group: str, plural: str) -> str:
    return plural if not group else f"{plural}.{group}"


def add(total_usage: Usage, more: Usage) -> None:
    """In place."""
    for name, amount in more.items():
        total_usage[name] = total_usage[name] + amount if name in total_usage else amount


def matching(usage: Usage, hard: Object) -> Usage:
    return {name: amount for name, amount in usage.items() if name in hard}


def usage_of(group: str, plural: str, obj: Object) -> Usage:
    """
    >>> {name: str(amount) for name, amount in usage_of("", "configmaps", {}).items()}
    {'count/configmaps': '1', 'configmaps': '1'}
    """
    found: Usage = {f"count/{kind_of_usage(group, plural)}": of(1)}
    if group:
        return found
    if plural == "pods":
        return _pod(obj)
    if plural in _CORE:
        found[plural] = of(1)
    if plural == "persistentvolumeclaims":
        return found | _claim(obj)
    return found | _service(obj) if plural == "services" else found


def _pod(pod: Object) -> Usage:
    found: Usage = {"count/pods": of(1)}
    if text(part(pod, "status"), "phase") in ("Failed", "Succeeded"):
        return found
    found["pods"] = of(1)
    spec = part(pod, "spec")
    plain, initial = objects(spec, "containers"), objects(spec, "initContainers")
    overhead = part(spec, "overhead")
    for kind in ("requests", "limits"):
        amounts = {name: of_json(value) for name, value in total(plain, initial, kind).items()}
        for name, value in overhead.items():
            if kind == "requests" or name in amounts:
                amounts[name] = amounts[name] + of_json(value) if name in amounts else of_json(value)
        for name, amount in amounts.items():
            found[f"{kind}.{name}"] = amount
            if kind == "requests" and (name in _PLAIN or name.startswith("hugepages-")):
                found[name] = amount
    return found


def _claim(claim: Object) -> Usage:
    spec = part(claim, "spec")
    found: Usage = {}
    amount = part(spec, "resources", "requests").get("storage")
    name = text(spec, "storageClassName")
    if name:
        found[f"{name}.storageclass.storage.k8s.io/persistentvolumeclaims"] = of(1)
    if amount is not None:
        found["requests.storage"] = of_json(amount)
        if name:
            found[f"{name}.storageclass.storage.k8s.io/requests.storage"] = of_json(amount)
    return found


def _service(service: Object) -> Usage:
    spec = part(service, "spec")
    kind, ports = text(spec, "type"), objects(spec, "ports")
    found: Usage = {"services": of(1)}
    if kind == "LoadBalancer":
        found["services.loadbalancers"] = of(1)
        given = sum(1 for one in ports if number(one, "nodePort"))
        count = given if spec.get("allocateLoadBalancerNodePorts") is False else len(ports)
        found["services.nodeports"] = of(count)
    elif kind == "NodePort":
        found["services.nodeports"] = of(len(ports))
    return found


def missing_of_pod(pod: Object, hard: Object) -> str:
    """Pure: which compute resources, that a quota limits, which containers do not say; "" if they say all.

    >>> missing_of_pod({"spec": {"containers": [{"name": "a"}]}}, {"limits.cpu": "1"})
    'limits.cpu for: a'
    """
    wanted = sorted(name for name in hard if name in _COMPUTE or name.startswith(("hugepages-",)))
    shown = []
    spec = part(pod, "spec")
    for name in wanted:
        kind, _, resource = name.rpartition(".")
        key = kind or "requests"
        holders = [*objects(spec, "containers"), *objects(spec, "initContainers")]
        lacking = sorted(text(one, "name") for one in holders if resource not in part(one, "resources", key))
        if lacking:
            shown.append(f"{name} for: {','.join(lacking)}")
    return "; ".join(shown)


# Scopes: which pods a quota is about


def fits_scopes(quota: Object, plural: str, obj: Object) -> bool:
    """
    >>> fits_scopes({"spec": {"scopes": ["BestEffort"]}}, "pods", {"spec": {"containers": [{}]}})
    True
    """
    spec = part(quota, "spec")
    terms: list[Object] = [{"scopeName": one, "operator": "Exists"} for one in texts(spec, "scopes")]
    terms += objects(part(spec, "scopeSelector"), "matchExpressions")
    if not terms:
        return True
    return plural == "pods" and all(_fits(term, obj) for term in terms)


def _fits(term: Object, pod: Object) -> bool:
    scope, spec = text(term, "scopeName"), part(pod, "spec")
    if scope == "PriorityClass":
        return _fits_values(term, text(spec, "priorityClassName"))
    found = {
        "Terminating": has(spec, "activeDeadlineSeconds") and number(spec, "activeDeadlineSeconds") >= 0,
        "NotTerminating": not has(spec, "activeDeadlineSeconds"),
        "BestEffort": _is_best_effort(spec),
        "NotBestEffort": not _is_best_effort(spec),
        "CrossNamespacePodAffinity": _crosses(spec),
    }
    return found.get(scope, False)


def _fits_values(term: Object, value: str) -> bool:
    operator, values = text(term, "operator"), texts(term, "values")
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": bool(value),
        "DoesNotExist": not value,
    }.get(operator, False)


def _is_best_effort(spec: Object) -> bool:
    holders = [*objects(spec, "containers"), *objects(spec, "initContainers"), {"resources": part(spec, "resources")}]
    return not any(
        part(one, "resources", kind).get(name)
        for one in holders
        for kind in ("requests", "limits")
        for name in ("cpu", "memory")
    )


def _crosses(spec: Object) -> bool:
    affinity = part(spec, "affinity")
    terms: list[Any] = []
    for key in ("podAffinity", "podAntiAffinity"):
        found = part(affinity, key)
        terms += objects(found, "requiredDuringSchedulingIgnoredDuringExecution")
        preferred = objects(found, "preferredDuringSchedulingIgnoredDuringExecution")
        terms += [part(one, "podAffinityTerm") for one in preferred]
    return any(one.get("namespaces") or one.get("namespaceSelector") is not None for one in terms)
