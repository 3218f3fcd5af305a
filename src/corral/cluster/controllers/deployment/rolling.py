"""A rolling update: which ReplicaSet grows and which shrinks next. Pure. Follows upstream's rolling.go.

Wanted 10, surge 3, unavailable 2: never more than 13 pods, never fewer than 8 available ones.

    old 10 (10 available)  new 0      ->  new 3, old 8         13 pods are the most; 2 may be missing at once
    old 8  (8 available)   new 3 (0)  ->  new 5                11 + 2 = 13 pods; none may go while 5 new are not there
    old 8  (8 available)   new 5 (5)  ->  old 3                13 available, 8 must stay
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corral.cluster.controllers.deployment.sizes import Bounds, Scale, Size


def grown(wanted: int, bounds: Bounds, new: int, others: int) -> int:
    """How many pods the new ReplicaSet may have beside `others` pods.

    >>> grown(10, Bounds(3, 2), 0, 10), grown(10, Bounds(3, 2), 3, 8), grown(10, Bounds(3, 2), 0, 13)
    (3, 5, 0)
    """
    room = wanted + bounds.surge - new - others
    return new + max(0, min(room, wanted - new)) if room > 0 else new


def plan_rolling(wanted: int, bounds: Bounds, new: Size, old: Sequence[Size]) -> list[Scale]:
    """What to scale now: the new one up (or down to what is wanted), then the old ones down, first those whose pods
    are not available anyway.

    >>> plan_rolling(10, Bounds(3, 2), Size("new", 0), [Size("old", 10, 10)])
    [Scale(name='new', replicas=3), Scale(name='old', replicas=8)]
    >>> plan_rolling(10, Bounds(3, 2), Size("new", 5, 5), [Size("old", 8, 8)])
    [Scale(name='old', replicas=3)]
    """
    size = wanted if new.replicas > wanted else grown(wanted, bounds, new.replicas, _total(old))
    after = new._replace(replicas=size)
    shrunk = _shrink(wanted - bounds.unavailable, after, sorted(old, key=lambda one: (one.created, one.name)))
    found = [Scale(after.name, after.replicas)] if after.replicas != new.replicas else []
    before = {one.name: one.replicas for one in old}
    return found + [Scale(one.name, one.replicas) for one in shrunk if one.replicas != before[one.name]]


def _shrink(least: int, new: Size, old: list[Size]) -> list[Size]:
    """The old ReplicaSets, as small as they may be while `least` pods stay available."""
    missing = new.replicas - new.available
    may_go = _total(old) + new.replicas - least - missing
    if may_go <= 0:
        return old
    healthy = []
    for one in old:  # pods that are not available are no loss
        less = min(may_go, max(0, one.replicas - one.available))
        may_go -= less
        healthy.append(one._replace(replicas=one.replicas - less))
    spare = sum(one.available for one in healthy) + new.available - least
    found = []
    for one in healthy:
        less = min(one.replicas, max(0, spare))
        spare -= less
        found.append(one._replace(replicas=one.replicas - less))
    return found


def _total(sizes: Iterable[Size]) -> int:
    return sum(one.replicas for one in sizes)
