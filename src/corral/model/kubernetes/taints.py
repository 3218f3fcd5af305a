"""Taints of nodes and the tolerations of pods. Pure. Follows k8s.io/component-helpers/scheduling/corev1."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

Taint = Mapping[str, Any]
Toleration = Mapping[str, Any]

NO_EXECUTE: Final = "NoExecute"
NO_SCHEDULE: Final = "NoSchedule"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Whether this one toleration covers the taint. An empty effect or key stands for all.

    >>> gone = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    >>> tolerates({"operator": "Exists"}, gone), tolerates({"key": "a", "value": "b"}, {"key": "a", "effect": "NoSchedule"})
    (True, False)
    """  # noqa: E501
    if toleration.get("effect") and toleration["effect"] != taint["effect"]:
        return False
    if toleration.get("key") and toleration["key"] != taint["key"]:
        return False
    match toleration.get("operator") or "Equal":
        case "Exists":
            return True
        case "Equal":
            return bool(toleration.get("key")) and (toleration.get("value") or "") == (taint.get("value") or "")
        case _:
            return False


def seconds_tolerated(taints: Iterable[Taint], tolerations: Sequence[Toleration]) -> float | None:
    """How long a pod may stay on a node with these taints: 0 when it has to go at once, None: for ever.

    Only NoExecute drives out. Of several tolerations that match a taint each limits the time.

    >>> lost = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}
    >>> waits = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}
    >>> seconds_tolerated([lost], []), seconds_tolerated([lost], [waits]), seconds_tolerated([], [])
    (0, 300, None)
    """
    least: float | None = None
    for taint in taints:
        if taint["effect"] != NO_EXECUTE:
            continue
        matching = [one for one in tolerations if tolerates(one, taint)]
        if not matching:
            return 0
        for one in matching:
            seconds = one.get("tolerationSeconds")
            if seconds is not None:
                least = max(seconds, 0) if least is None else min(least, max(seconds, 0))
    return least
