"""Taints and tolerations. Follows k8s.io/component-helpers/scheduling/corev1. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

NO_SCHEDULE, PREFER_NO_SCHEDULE, NO_EXECUTE = "NoSchedule", "PreferNoSchedule", "NoExecute"


class Taint(NamedTuple):
    key: str
    value: str
    effect: str


class Toleration(NamedTuple):
    """An empty key tolerates all keys, an empty effect all effects."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


def taints(node: dict[str, Any]) -> tuple[Taint, ...]:
    listed = (node.get("spec") or {}).get("taints") or ()
    return tuple(Taint(one["key"], one.get("value", ""), one["effect"]) for one in listed)


def tolerations(spec: dict[str, Any]) -> tuple[Toleration, ...]:
    listed = spec.get("tolerations") or ()
    return tuple(
        Toleration(one.get("key", ""), one.get("operator") or "Equal", one.get("value", ""), one.get("effect", ""))
        for one in listed
    )


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """
    >>> tolerates(Toleration("gpu", "Exists"), Taint("gpu", "a", "NoSchedule"))
    True
    >>> tolerates(Toleration("gpu", "Equal", "b"), Taint("gpu", "a", "NoSchedule"))
    False
    >>> tolerates(Toleration("size", "Gt", "4"), Taint("size", "5", "NoSchedule"))
    True
    """
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    if toleration.operator in ("Gt", "Lt"):
        return _compares(toleration, taint)
    return toleration.operator == "Exists" or toleration.value == taint.value


def _compares(toleration: Toleration, taint: Taint) -> bool:
    try:
        bound, value = int(toleration.value), int(taint.value)
    except ValueError:
        return False
    return value > bound if toleration.operator == "Gt" else value < bound


def tolerated(taint: Taint, known: Iterable[Toleration]) -> bool:
    return any(tolerates(one, taint) for one in known)


def first_untolerated(
    found: Sequence[Taint], known: Sequence[Toleration], effects: tuple[str, ...] = (NO_SCHEDULE, NO_EXECUTE)
) -> Taint | None:
    """
    >>> first_untolerated([Taint("a", "", "PreferNoSchedule"), Taint("b", "", "NoExecute")], [])
    Taint(key='b', value='', effect='NoExecute')
    """
    return next((one for one in found if one.effect in effects and not tolerated(one, known)), None)
