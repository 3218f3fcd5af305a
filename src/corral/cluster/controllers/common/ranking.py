"""Which pods go first when there are too many. Pure. Follows upstream's ActivePodsWithRanks."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text
from corral.cluster.controllers.common.pods import annotation, is_ready, node_of, phase, ready_since, restarts

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def deletion_cost(pod: Object) -> int:
    """What its annotation says; 0 of none, or of a text that is no number of 32 bits.

    >>> cost = lambda text: deletion_cost({"metadata": {"annotations": {DELETION_COST: text}}})
    >>> cost("-5"), cost("+5"), cost("007"), cost("x")
    (-5, 0, 0, 0)
    """
    text = annotation(pod, DELETION_COST)
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or (digits[0] == "0" and len(digits) > 1):
        return 0
    value = int(text)
    return value if -(2**31) <= value < 2**31 else 0


def age_bucket(since: str, now: datetime) -> float:
    """Ages count by powers of two, so that pods of about the same age are alike: the greater the older.

    >>> now = from_text("2026-01-02T03:04:05Z")
    >>> age_bucket("2026-01-02T03:03:00Z", now) == age_bucket("2026-01-02T03:03:05Z", now)
    True
    """
    if not since:
        return -1.0
    seconds = (now - from_text(since)).total_seconds()
    return 0.0 if seconds <= 0 else 1.0 + math.floor(math.log2(max(seconds, 1e-9) * 1e9))


def rank_key(pod: Object, crowd: int, now: datetime) -> tuple[Any, ...]:
    """Pods with the smallest go first. `crowd`: how many related pods run on its node.

    Not assigned before assigned; pending before running; not ready before ready; cheap before dear; from crowded
    nodes; ready for short; restarted often; young.
    """
    assigned, ready = bool(node_of(pod)), is_ready(pod)
    created = pod["metadata"].get("creationTimestamp") or ""
    return (
        assigned,
        _PHASES.get(phase(pod), 0),
        ready,
        deletion_cost(pod),
        -crowd,
        age_bucket(ready_since(pod), now) if ready else 0.0,
        -restarts(pod),
        age_bucket(created, now),
        pod["metadata"].get("uid", ""),
    )


def plan_deletions(pods: Iterable[Object], count: int, now: datetime, related: Iterable[Object] = ()) -> list[Object]:
    """The `count` pods to delete. `related`: all pods whose spreading over nodes matters, these among them.

    >>> running = {"metadata": {"name": "a"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}
    >>> waiting = {"metadata": {"name": "b"}, "spec": {}, "status": {"phase": "Pending"}}
    >>> now = from_text("2026-01-02T03:04:05Z")
    >>> [pod["metadata"]["name"] for pod in plan_deletions([running, waiting], 1, now)]
    ['b']
    """
    crowds: Mapping[str, int] = Counter(node_of(pod) for pod in related if node_of(pod))
    ranked = sorted(pods, key=lambda pod: rank_key(pod, crowds.get(node_of(pod), 0), now))
    return ranked[: max(0, count)]
