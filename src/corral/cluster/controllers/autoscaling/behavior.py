"""How fast and how often a fleet may change its size. Pure. Follows autoscaling/v2's behavior.

Stabilisation: of what was recommended within the window the least counts for growing, the most for shrinking.
Policies: at most so many pods, or such a part of them, within so many seconds.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from corral.model.kubernetes.quantity import parse as parse_quantity

_UP: dict[str, Any] = {
    "stabilizationWindowSeconds": 0,
    "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15},
        {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}
_DOWN: dict[str, Any] = {
    "stabilizationWindowSeconds": 300,
    "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}
LONGEST = timedelta(hours=1)  # windows and periods are no longer


@dataclass(frozen=True, slots=True)
class Rules:
    """One direction's. `tolerance` None: the usual one."""

    window: int
    select: str
    policies: tuple[Mapping[str, Any], ...]
    tolerance: float | None = None


def rules(spec: Mapping[str, Any], direction: str) -> Rules:
    """`direction`: scaleUp or scaleDown; what is not said is as usual.

    >>> rules({}, "scaleDown").window, rules({"behavior": {"scaleUp": {"selectPolicy": "Min"}}}, "scaleUp").select
    (300, 'Min')
    """
    usual = _UP if direction == "scaleUp" else _DOWN
    given = {
        key: value for key, value in ((spec.get("behavior") or {}).get(direction) or {}).items() if value is not None
    }
    found = {**usual, **given}
    tolerance = found.get("tolerance")
    part = None if tolerance is None else parse_quantity(str(tolerance)).milli() / 1000
    return Rules(int(found["stabilizationWindowSeconds"]), found["selectPolicy"], tuple(found["policies"]), part)


@dataclass(slots=True)
class Memory:
    """What was recommended and done lately. In memory only, as upstream's: after a restart it fills anew."""

    recommended: list[tuple[datetime, int]] = field(default_factory=list)
    changes: list[tuple[datetime, int]] = field(default_factory=list)  # by how many pods, up or down

    def forget(self, now: datetime) -> None:
        self.recommended = [one for one in self.recommended if one[0] > now - LONGEST]
        self.changes = [one for one in self.changes if one[0] > now - LONGEST]


def stabilized(
    current: int, wanted: int, recommended: Iterable[tuple[datetime, int]], up: Rules, down: Rules, now: datetime
) -> int:
    """
    >>> now = datetime(2026, 1, 2, 12)
    >>> before = [(now - timedelta(seconds=100), 8)]
    >>> stabilized(10, 3, before, rules({}, "scaleUp"), rules({}, "scaleDown"), now)
    8
    """
    least = most = wanted
    for when, size in recommended:
        if when > now - timedelta(seconds=up.window):
            least = min(least, size)
        if when > now - timedelta(seconds=down.window):
            most = max(most, size)
    return max(least, min(current, most)) if least <= most else wanted


class Limited(NamedTuple):
    """A size, and why it is not what was wanted."""

    replicas: int
    reason: str = "DesiredWithinRange"
    message: str = "the desired count is within the acceptable range"

    @property
    def limited(self) -> bool:
        return self.reason != "DesiredWithinRange"


def limit(
    current: int, wanted: int, least: int, most: int, spec: Mapping[str, Any], memory: Memory, now: datetime
) -> Limited:
    """Within minReplicas and maxReplicas, and no faster than the policies say.

    >>> limit(2, 20, 1, 10, {}, Memory(), datetime(2026, 1, 2)).replicas
    6
    >>> limit(8, 20, 1, 10, {}, Memory(), datetime(2026, 1, 2)).message
    'the desired replica count is more than the maximum replica count'
    """
    if wanted > current:
        fastest = max(current, _limit_up(current, rules(spec, "scaleUp"), memory, now))
        if wanted > min(most, fastest):
            if most > fastest:
                text = "the desired replica count is increasing faster than the maximum scale rate"
                return Limited(fastest, "ScaleUpLimit", text)
            return Limited(most, "TooManyReplicas", "the desired replica count is more than the maximum replica count")
    elif wanted < current:
        fastest = min(current, _limit_down(current, rules(spec, "scaleDown"), memory, now))
        if wanted < max(least, fastest):
            if least < fastest:
                text = "the desired replica count is decreasing faster than the maximum scale rate"
                return Limited(fastest, "ScaleDownLimit", text)
            return Limited(least, "TooFewReplicas", "the desired replica count is less than the minimum replica count")
    return Limited(wanted)


def _at_start(current: int, period: float, memory: Memory, now: datetime) -> int:
    """How many pods there were when the period began."""
    return current - sum(by for when, by in memory.changes if when > now - timedelta(seconds=period))


def _limit_up(current: int, found: Rules, memory: Memory, now: datetime) -> int:
    if found.select == "Disabled":
        return current
    limits: list[int] = []
    for policy in found.policies:
        start, value = _at_start(current, policy["periodSeconds"], memory, now), policy["value"]
        grown = start + value if policy["type"] == "Pods" else math.ceil(round(start * (1 + value / 100), 6))
        limits.append(grown)
    return min(limits) if found.select == "Min" else max(limits)


def _limit_down(current: int, found: Rules, memory: Memory, now: datetime) -> int:
    if found.select == "Disabled":
        return current
    limits: list[int] = []
    for policy in found.policies:
        start, value = _at_start(current, policy["periodSeconds"], memory, now), policy["value"]
        limits.append(start - value if policy["type"] == "Pods" else int(start * (1 - value / 100)))
    return max(limits) if found.select == "Min" else min(limits)
