"""How many pods a metric asks for. Pure. Follows upstream's replica_calculator.go.

The heart of it: wanted = pods now x (what is used / what should be used), rounded up; nothing moves within the
tolerance. Pods that are not ready or not measured are taken to use what makes the move smaller.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.metrics import Unavailable, Usage
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text
from corral.cluster.controllers.common.pods import condition, is_ready, phase
from corral.model.kubernetes.quantity import parse as parse_quantity

READINESS_DELAY = timedelta(seconds=30)  # a pod that was never ready since it started, and so long, is no measure
CPU_WARM_UP = timedelta(minutes=5)  # what a pod uses while it starts tells nothing of its work


class Tolerance(NamedTuple):
    """How far usage may be off what it should be, as parts of it."""

    down: float = 0.1
    up: float = 0.1

    def allows(self, ratio: float) -> bool:
        """
        >>> [Tolerance().allows(ratio) for ratio in (0.85, 0.95, 1.1, 1.2)]
        [False, True, True, False]
        """
        return 1 - self.down - 1e-9 <= ratio <= 1 + self.up + 1e-9


@dataclass(frozen=True, slots=True)
class Groups:
    """Names of pods: measured and `ready`, not `ready` yet, not measured (`missing`), no measure at all."""

    ready: frozenset[str]
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def group(pods: Iterable[Object], usages: Mapping[str, Usage], resource: str, now: datetime) -> Groups:
    """`resource`: "cpu", or another name, of which the time of warming up is as good as any."""
    found: dict[str, set[str]] = {"ready": set(), "unready": set(), "missing": set(), "ignored": set()}
    for pod in pods:
        name = meta.name(pod)
        if meta.deleting(pod) or phase(pod) == "Failed":
            kind = "ignored"
        elif phase(pod) == "Pending":
            kind = "unready"
        elif name not in usages:
            kind = "missing"
        else:
            kind = "unready" if resource == "cpu" and _warms_up(pod, usages[name], now) else "ready"
        found[kind].add(name)
    return Groups(*(frozenset(found[name]) for name in ("ready", "unready", "missing", "ignored")))


def _warms_up(pod: Object, usage: Usage, now: datetime) -> bool:
    ready, started = condition(pod, "Ready"), (pod.get("status") or {}).get("startTime")
    if ready is None or not started or not ready.get("lastTransitionTime"):
        return True
    begun, changed = from_text(started), from_text(ready["lastTransitionTime"])
    if begun + CPU_WARM_UP > now:
        return not is_ready(pod) or usage.at < changed + timedelta(seconds=usage.window)
    return not is_ready(pod) and begun + READINESS_DELAY > changed


class Proposal(NamedTuple):
    """`replicas`, and what was measured: per cent of what was asked for (None: not that kind), and per pod."""

    replicas: int
    utilization: int | None
    average: int


def requests_of(pods: Iterable[Object], resource: str, container: str = "") -> dict[str, int]:
    """What pods asked for, in thousandths. Raises Unavailable where one asked for nothing."""
    found = {}
    for pod in pods:
        total = 0
        for one in pod["spec"].get("containers") or ():
            if container and one["name"] != container:
                continue
            asked = ((one.get("resources") or {}).get("requests") or {}).get(resource)
            if asked is None:
                text = f"missing request for {resource} in container {one['name']} of Pod {meta.name(pod)}"
                raise Unavailable(text)
            total += parse_quantity(str(asked)).milli()
        found[meta.name(pod)] = total
    return found


def plan_utilization(
    current: int,
    target: int,
    usages: Mapping[str, Usage],
    requests: Mapping[str, int],
    groups: Groups,
    tolerance: Tolerance,
) -> Proposal:
    """For a target in per cent of what pods asked for. Raises Unavailable.

    >>> from datetime import UTC
    >>> usages = {name: Usage(800, datetime(2026, 1, 2, tzinfo=UTC)) for name in "ab"}
    >>> groups = Groups(frozenset("ab"), frozenset(), frozenset(), frozenset())
    >>> plan_utilization(2, 50, usages, {"a": 1000, "b": 1000}, groups, Tolerance())
    Proposal(replicas=4, utilization=80, average=800)
    """
    measured = {name: usages[name].value for name in groups.ready}
    if not measured:
        raise Unavailable("did not receive metrics for targeted pods (pods might be unready)")

    def ratio(values: Mapping[str, int]) -> float:
        asked = sum(requests.get(name, 0) for name in values)
        if not asked:
            raise Unavailable("no metrics returned matched known pods")
        return (sum(values.values()) * 100 // asked) / target

    used = ratio(measured)
    full = {name: requests.get(name, 0) * max(100, target) // 100 for name in groups.missing}
    replicas = _rebalanced(current, used, measured, full, groups, tolerance, ratio)
    total = sum(measured.values())
    return Proposal(replicas, round(used * target), total // len(measured))


def plan_average(
    current: int, target: int, usages: Mapping[str, Usage], groups: Groups, tolerance: Tolerance
) -> Proposal:
    """For a target per pod, in thousandths. Raises Unavailable.

    >>> from datetime import UTC
    >>> usages = {"a": Usage(300, datetime(2026, 1, 2, tzinfo=UTC))}
    >>> groups = Groups(frozenset("a"), frozenset(), frozenset("b"), frozenset())
    >>> plan_average(2, 100, usages, groups, Tolerance()).replicas  # b, which is not measured, uses nothing
    3
    """
    measured = {name: usages[name].value for name in groups.ready}
    if not measured:
        raise Unavailable("did not receive metrics for targeted pods (pods might be unready)")

    def ratio(values: Mapping[str, int]) -> float:
        return sum(values.values()) / len(values) / target

    full = {name: target for name in groups.missing}
    replicas = _rebalanced(current, ratio(measured), measured, full, groups, tolerance, ratio)
    return Proposal(replicas, None, sum(measured.values()) // len(measured))


def _rebalanced(
    current: int,
    used: float,
    measured: Mapping[str, int],
    full: Mapping[str, int],
    groups: Groups,
    tolerance: Tolerance,
    ratio: Callable[[Mapping[str, int]], float],
) -> int:
    """`full`: what pods that were not measured are taken to use when the others say that fewer would do."""
    up = used > 1
    with_unready = up and bool(groups.unready)
    if not with_unready and not groups.missing:
        return current if tolerance.allows(used) else math.ceil(used * len(measured))
    values = dict(measured)
    if used < 1:
        values |= full
    elif up:
        values |= dict.fromkeys(groups.missing, 0)
    if with_unready:
        values |= dict.fromkeys(groups.unready, 0)
    again = ratio(values)
    if tolerance.allows(again) or (used < 1 < again) or (again < 1 < used):
        return current
    wanted = math.ceil(again * len(values))
    return current if (again < 1 and wanted > current) or (again > 1 and wanted < current) else wanted


def plan_total(current: int, ready: int, usage: int, target: int, tolerance: Tolerance) -> int:
    """For a target of one value for all pods together.

    >>> plan_total(3, 3, 2000, 1000, Tolerance()), plan_total(0, 0, 2500, 1000, Tolerance())
    (6, 3)
    """
    ratio = usage / target
    if current == 0:
        return math.ceil(ratio)
    return current if tolerance.allows(ratio) else math.ceil(ratio * ready)


def plan_share(current: int, running: int, usage: int, target: int, tolerance: Tolerance) -> int:
    """For a value that is shared by all pods, with a target for each. `running`: how many there are.

    >>> plan_share(3, 3, 5000, 1000, Tolerance()), plan_share(3, 3, 3100, 1000, Tolerance())
    (5, 3)
    """
    if running and tolerance.allows(usage / (target * running)):
        return current
    return math.ceil(usage / target)
