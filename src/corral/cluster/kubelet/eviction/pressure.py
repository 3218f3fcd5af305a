"""Of what the node runs short. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from corral.cluster.kubelet.eviction.thresholds import SIGNALS, Threshold

FIRST: Final = "memory.available"  # what it is short of first
LAST: Final = "pid.available"


class Observed(NamedTuple):
    """How much is free, and of how much. Bytes, inodes or processes."""

    available: int
    capacity: int


@dataclass(frozen=True)
class Pressure:
    """`since`: when each threshold was first seen crossed. `seen`: when each condition was last asked for; seconds.

    `acute`: thresholds that something is to be done about, the most pressing first.
    """

    since: Mapping[Threshold, float] = field(default_factory=dict)
    seen: Mapping[str, float] = field(default_factory=dict)
    conditions: frozenset[str] = frozenset()
    acute: tuple[Threshold, ...] = ()


def is_met(threshold: Threshold, observed: Observed, *, reclaiming: bool = False) -> bool:
    """`reclaiming`: it was met before, so as much as is to be won back at least has to be free beyond it.

    >>> from corral.cluster.kubelet.eviction.thresholds import Amount
    >>> one = Threshold("memory.available", Amount(100), reclaim=Amount(50))
    >>> [is_met(one, Observed(n, 1000), reclaiming=again) for n, again in ((99, False), (120, False), (120, True))]
    [True, False, True]
    """
    least = threshold.amount.of(observed.capacity)
    if reclaiming:
        least += threshold.reclaim.of(observed.capacity)
    return observed.available < least


def plan_pressure(
    thresholds: Iterable[Threshold],
    observed: Mapping[str, Observed],
    before: Pressure,
    now: float,
    transition: float,
) -> Pressure:
    """How it stands now. A condition lasts for `transition` seconds after it was last asked for: nodes do not flap.

    >>> from corral.cluster.kubelet.eviction.thresholds import Amount
    >>> soft = Threshold("memory.available", Amount(100), grace=30)
    >>> first = plan_pressure([soft], {"memory.available": Observed(50, 1000)}, Pressure(), 0, 300)
    >>> sorted(first.conditions), first.acute
    (['MemoryPressure'], ())
    >>> later = plan_pressure([soft], {"memory.available": Observed(50, 1000)}, first, 30, 300)
    >>> [one.signal for one in later.acute]
    ['memory.available']
    >>> well = plan_pressure([soft], {"memory.available": Observed(500, 1000)}, later, 40, 300)
    >>> sorted(well.conditions), well.acute
    (['MemoryPressure'], ())
    >>> sorted(plan_pressure([soft], {"memory.available": Observed(500, 1000)}, well, 330, 300).conditions)
    []
    """
    met = [
        one
        for one in thresholds
        if one.signal in observed and is_met(one, observed[one.signal], reclaiming=one in before.acute)
    ]
    since = {one: before.since.get(one, now) for one in met}
    seen = {**before.seen, **{SIGNALS[one.signal].condition: now for one in met}}
    seen = {condition: at for condition, at in seen.items() if at == now or now - at < transition}
    acute = [one for one in met if now - since[one] >= one.grace]
    acute.sort(key=_urgency)
    return Pressure(since, seen, frozenset(seen), tuple(acute))


def _urgency(threshold: Threshold) -> tuple[int, bool]:
    place = 0 if threshold.signal == FIRST else 2 if threshold.signal == LAST else 1
    return place, not threshold.hard
