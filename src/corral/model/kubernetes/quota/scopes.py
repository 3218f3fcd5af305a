"""Which pods a quota with scopes is about. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import objects, part, text, texts
from corral.model.kubernetes.quota.pods import is_best_effort

_AFFINITIES: Final = ("podAffinity", "podAntiAffinity")
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def requirements(quota: Object) -> list[dict[str, Any]]:
    """Both ways of writing scopes as one: scopeName, operator, values."""
    named = [{"scopeName": one, "operator": "Exists"} for one in texts(part(quota, "spec"), "scopes")]
    return [*named, *objects(part(quota, "spec", "scopeSelector"), "matchExpressions")]


def counts_in(quota: Object, group: str, plural: str, obj: Object) -> bool:
    """Whether an object counts in a quota: one with scopes is about pods, and claims of some class, only.

    >>> quota = {"spec": {"scopes": ["NotTerminating"]}}
    >>> counts_in(quota, "", "pods", {"spec": {}}), counts_in(quota, "", "services", {"spec": {}})
    (True, False)
    """
    found = requirements(quota)
    if not found:
        return True
    if (group, plural) == ("", "persistentvolumeclaims"):
        return all(one["scopeName"] == "VolumeAttributesClass" and _has_attributes(one, obj) for one in found)
    return (group, plural) == ("", "pods") and all(_is_in(one, obj) for one in found)


def _is_in(scope: dict[str, Any], pod: Object) -> bool:
    spec = part(pod, "spec")
    match scope["scopeName"]:
        case "Terminating":
            return spec.get("activeDeadlineSeconds") is not None
        case "NotTerminating":
            return spec.get("activeDeadlineSeconds") is None
        case "BestEffort":
            return is_best_effort(pod)
        case "NotBestEffort":
            return not is_best_effort(pod)
        case "PriorityClass":
            return _selects(scope, spec.get("priorityClassName") or "")
        case "CrossNamespacePodAffinity":
            return any(_crosses(term) for term in _terms(part(spec, "affinity")))
        case _:
            return False


def _selects(scope: dict[str, Any], value: str) -> bool:
    values = scope.get("values") or ()
    match scope["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value != ""
        case "DoesNotExist":
            return value == ""
        case _:
            return False


def _has_attributes(scope: dict[str, Any], claim: Object) -> bool:
    """A claim counts for each class that it has, has had or wants."""
    status = part(claim, "status")
    names = {
        text(part(claim, "spec"), "volumeAttributesClassName"),
        text(status, "currentVolumeAttributesClassName"),
        text(part(status, "modifyVolumeStatus"), "targetVolumeAttributesClassName"),
    }
    return any(_selects(scope, name) for name in (names - {""} or {""}))


def _terms(affinity: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in _AFFINITIES:
        found = part(affinity, kind)
        yield from objects(found, _REQUIRED)
        yield from (part(one, "podAffinityTerm") for one in objects(found, _PREFERRED))


def _crosses(term: dict[str, Any]) -> bool:
    return bool(term.get("namespaces")) or term.get("namespaceSelector") is not None
