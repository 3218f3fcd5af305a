"""Taints of nodes and the tolerations of pods. Pure. Follows k8s.io/component-helpers/scheduling/corev1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

NO_SCHEDULE: Final = "NoSchedule"
PREFER_NO_SCHEDULE: Final = "PreferNoSchedule"
NO_EXECUTE: Final = "NoExecute"


class Taint(NamedTuple):
    key: str
    value: str
    effect: str


class Toleration(NamedTuple):
    """An empty key tolerates all keys, an empty effect all effects. `seconds`: for how long; None: for ever."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    seconds: int | None = None


def taints_of(node: Mapping[str, Any]) -> tuple[Taint, ...]:
    """
    >>> taints_of({"spec": {"taints": [{"key": "gpu", "effect": "NoSchedule"}]}}), taints_of({})
    ((Taint(key='gpu', value='', effect='NoSchedule'),), ())
    """
    listed = (node.get("spec") or {}).get("taints") or ()
    return tuple(Taint(one["key"], one.get("value") or "", one["effect"]) for one in listed)


def tolerations_of(spec: Mapping[str, Any]) -> tuple[Toleration, ...]:
    """Of a pod's spec.

    >>> tolerations_of({"tolerations": [{"key": "gpu", "value": "a"}]})
    (Toleration(key='gpu', operator='Equal', value='a', effect='', seconds=None),)
    """
    return tuple(
        Toleration(
            one.get("key") or "",
            one.get("operator") or "Equal",
            one.get("value") or "",
            one.get("effect") or "",
            one.get("tolerationSeconds"),
        )
        for one in spec.get("tolerations") or ()
    )


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether this one toleration covers the taint.

    >>> gpu = Taint("gpu", "a", "NoSchedule")
    >>> tolerates(Toleration("gpu", "Exists"), gpu), tolerates(Toleration("gpu", "Equal", "b"), gpu)
    (True, False)
    >>> tolerates(Toleration("size", "Gt", "4"), Taint("size", "5", "NoSchedule"))
    True
    """
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator:
        case "Exists":
            return True
        case "Equal":
            return toleration.value == taint.value
        case "Gt" | "Lt":
            return _compares(toleration, taint)
        case _:
            return False


def _compares(toleration: Toleration, taint: Taint) -> bool:
    try:
        bound, value = int(toleration.value), int(taint.value)
    except ValueError:
        return False
    return value > bound if toleration.operator == "Gt" else value < bound


def tolerated(taint: Taint, known: Iterable[Toleration]) -> bool:
    return any(tolerates(one, taint) for one in known)


def first_untolerated(
    found: Iterable[Taint], known: Iterable[Toleration], effects: tuple[str, ...] = (NO_SCHEDULE, NO_EXECUTE)
) -> Taint | None:
    """The first taint with one of the effects that no toleration bears; None: all are borne.

    >>> first_untolerated([Taint("a", "", "PreferNoSchedule"), Taint("b", "", "NoExecute")], [])
    Taint(key='b', value='', effect='NoExecute')
    """
    borne = tuple(known)
    return next((one for one in found if one.effect in effects and not tolerated(one, borne)), None)


def seconds_tolerated(found: Iterable[Taint], known: Iterable[Toleration]) -> float | None:
    """How long a pod may stay on a node with these taints: 0 when it has to go at once, None: for ever.

    Only NoExecute drives out. Of several tolerations that match a taint each limits the time.

    >>> lost = Taint("node.kubernetes.io/unreachable", "", "NoExecute")
    >>> waits = Toleration("node.kubernetes.io/unreachable", "Exists", seconds=300)
    >>> seconds_tolerated([lost], []), seconds_tolerated([lost], [waits]), seconds_tolerated([], [])
    (0, 300, None)
    """
    borne = tuple(known)
    least: float | None = None
    for taint in found:
        if taint.effect != NO_EXECUTE:
            continue
        matching = [one for one in borne if tolerates(one, taint)]
        if not matching:
            return 0
        for one in matching:
            if one.seconds is not None:
                least = max(one.seconds, 0) if least is None else min(least, max(one.seconds, 0))
    return least
