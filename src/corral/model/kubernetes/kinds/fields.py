"""Reading and filling objects whose shape the schema has checked, but in which anything may be missing or null.

A missing field reads as Go's zero value, which is what upstream's rules are written for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from corral.model.kubernetes import quantity
from corral.model.kubernetes.kind import Object

Path = str


def text(obj: Mapping[str, Any], key: str) -> str:
    value = obj.get(key)
    return value if isinstance(value, str) else ""


def number(obj: Mapping[str, Any], key: str) -> int:
    value = obj.get(key)
    return int(value) if isinstance(value, int | float) else 0


def flag(obj: Mapping[str, Any], key: str) -> bool:
    return obj.get(key) is True


def part(obj: Mapping[str, Any], *keys: str) -> Object:
    """What lies below the keys; an empty object where one of them is missing (which is not put there).

    >>> part({"a": {"b": {"c": 1}}}, "a", "b"), part({"a": None}, "a", "b")
    ({'c': 1}, {})
    """
    found: Any = obj
    for key in keys:
        found = found.get(key)
        if not isinstance(found, dict):
            return {}
    return found  # type: ignore[no-any-return]  # a dict by now


def objects(obj: Mapping[str, Any], key: str) -> list[Object]:
    """The objects in a list; anything else in it reads as an empty object, so that positions hold."""
    found = obj.get(key)
    return [one if isinstance(one, dict) else {} for one in found] if isinstance(found, list) else []


def values(obj: Mapping[str, Any], key: str) -> list[Any]:
    found = obj.get(key)
    return found if isinstance(found, list) else []


def texts(obj: Mapping[str, Any], key: str) -> list[str]:
    return [one if isinstance(one, str) else "" for one in values(obj, key)]


def pairs(obj: Mapping[str, Any], key: str) -> list[tuple[str, Any]]:
    """The entries of a map in the order of their keys, in which problems are reported.

    >>> pairs({"labels": {"b": "1", "a": None}}, "labels")
    [('a', None), ('b', '1')]
    """
    found = obj.get(key)
    return sorted(found.items()) if isinstance(found, dict) and found else []


def metadata(obj: Mapping[str, Any]) -> Object:
    return part(obj, "metadata")


def annotations_of(obj: Mapping[str, Any]) -> Object:
    return part(obj, "metadata", "annotations")


def labels_of(obj: Mapping[str, Any]) -> Object:
    return part(obj, "metadata", "labels")


def indexed(obj: Mapping[str, Any], key: str, path: Path) -> Iterator[tuple[Path, Object]]:
    """The objects in a list, each with its path.

    >>> list(indexed({"ports": [{"port": 80}]}, "ports", "spec.ports"))
    [('spec.ports[0]', {'port': 80})]
    """
    for index, one in enumerate(objects(obj, key)):
        yield f"{path}[{index}]", one


def is_new(obj: Mapping[str, Any]) -> bool:
    """Whether it is being created: only what was stored has a version, and an update always names one."""
    return not text(metadata(obj), "resourceVersion")


def has(obj: Mapping[str, Any], key: str) -> bool:
    """Whether an optional field (a pointer, upstream) is set."""
    return obj.get(key) is not None


def fill(obj: Object, key: str, value: Any) -> None:
    """In place: sets an optional field that is not set."""
    if obj.get(key) is None:
        obj[key] = value


def fill_empty(obj: Object, key: str, value: Any) -> None:
    """In place: sets a field that is missing or holds its zero value ("" or 0), which mean the same."""
    if not obj.get(key):
        obj[key] = value


def ensure(obj: Object, key: str) -> Object:
    """In place: the object below the key, which is put there if it is missing.

    >>> pod = {"spec": None}; ensure(pod, "spec")["nodeName"] = "a"; pod
    {'spec': {'nodeName': 'a'}}
    """
    found = obj.get(key)
    if not isinstance(found, dict):
        found = obj[key] = {}
    return found


def keep(new: Object, old: Mapping[str, Any], *keys: str) -> None:
    """In place: the fields become what they are in `old`.

    >>> new = {"spec": 2, "status": 2}; keep(new, {"spec": 1}, "spec", "status"); new
    {'spec': 1}
    """
    for key in keys:
        if key in old:
            new[key] = old[key]
        else:
            new.pop(key, None)


# Optional fields, of which a zero value says something else than a missing one.
_POINTERS = frozenset(
    "activeDeadlineSeconds allowPrivilegeEscalation automountServiceAccountToken backoffLimit backoffLimitPerIndex "
    "completions defaultMode enableServiceLinks expirationSeconds externalName fsGroup hostUsers immutable "
    "maxFailedIndexes minReplicas mode optional parallelism partition priority privileged readOnlyRootFilesystem "
    "replicas resourceClaimName runAsGroup runAsNonRoot runAsUser setHostnameAsFQDN shareProcessNamespace "
    "storageClassName suspend targetPort terminationGracePeriodSeconds tolerationSeconds volumeAttributesClassName "
    "manualSelector allowVolumeExpansion attachRequired podInfoOnMount nominalConcurrencyShares".split()
)
_QUANTITIES = frozenset(("limits", "requests", "capacity", "overhead", "hard", "allocatedResources"))


def same(one: Any, other: Any, key: str = "") -> bool:
    """Pure: whether two values mean the same: missing and empty ones are equal, as are 1000m and 1 of a resource.

    >>> same({"a": 1, "b": None, "c": []}, {"a": 1, "hostNetwork": False}), same({"priority": 0}, {})
    (True, False)
    >>> same({"requests": {"cpu": "1000m"}}, {"requests": {"cpu": "1"}})
    True
    """
    if one == other and type(one) is type(other):
        return True
    if isinstance(one, dict) and isinstance(other, dict):
        if key in _QUANTITIES:
            return one.keys() == other.keys() and all(_same_quantity(one[name], other[name]) for name in one)
        return all(same(one.get(name), other.get(name), name) for name in one.keys() | other.keys())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return _is_zero(one, key) and _is_zero(other, key)


def _is_zero(value: Any, key: str) -> bool:
    if key in _POINTERS:
        return value is None
    return value is None or value in ("", 0, False) or value == [] or value == {}


def _same_quantity(one: Any, other: Any) -> bool:
    try:
        return quantity.of_json(one) == quantity.of_json(other)
    except quantity.NoQuantity:
        return bool(one == other)


def names(found: Sequence[Object]) -> set[str]:
    return {text(one, "name") for one in found}
