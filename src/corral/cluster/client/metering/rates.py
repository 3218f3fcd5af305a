"""From two samples to what is used. Pure.

A kernel counts the CPU time that was used so far: what is used now is the difference of two samples by the time between
them. A container that started after the first sample had used nothing when it started.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple

from corral.cluster.client.usage import NodeUsage, PodUsage, Report, Used

SECOND: Final = 10**9
LEAST: Final = SECOND  # a shorter time tells little: limits on CPU are kept in slices of a tenth of it
ENOUGH: Final = 10 * SECOND  # a longer time tells no more
OLDEST: Final = 60 * SECOND  # what was used before is not what is used now


class ContainerSample(NamedTuple):
    """Times in nanoseconds, memory in bytes. `cpu`: used since it `started`."""

    namespace: str
    pod: str
    uid: str
    name: str
    started: int
    cpu: int
    memory: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at everything, at a time in nanoseconds. `containers` by id; `cpu` and `memory` are the node's."""

    at: int
    cpu: int
    memory: int
    containers: Mapping[str, ContainerSample] = field(default_factory=dict)


def plan_kept(samples: Sequence[Sample], now: int) -> list[Sample]:
    """Which samples are of use still, oldest first. A clock that was set back makes those of its future useless.

    >>> [one.at // SECOND for one in plan_kept([Sample(at * SECOND, 0, 0) for at in (10, 50, 200)], 100 * SECOND)]
    [50]
    """
    return [one for one in samples if now - OLDEST <= one.at <= now]


def plan_base(samples: Sequence[Sample], now: int) -> Sample | None:
    """The sample that a new one is compared with: the newest that is old enough for a good measure, else the oldest.

    None: there is no sample that is old enough for any.

    >>> at = lambda *seconds: [Sample(int(one * SECOND), 0, 0) for one in seconds]
    >>> plan_base(at(80, 88, 95), 100 * SECOND).at // SECOND, plan_base(at(95, 98), 100 * SECOND).at // SECOND
    (88, 95)
    >>> plan_base(at(99.5), 100 * SECOND)
    """
    good = [one for one in samples if now - one.at >= ENOUGH]
    if good:
        return good[-1]
    return samples[0] if samples and now - samples[0].at >= LEAST else None


def rate(used: int, time: int) -> int:
    """CPU time that was used in a time, in billionths of a core.

    >>> rate(used=500_000_000, time=2 * SECOND)  # half a second of two: a quarter of a core
    250000000
    """
    return used * SECOND // time


def plan_report(node: str, base: Sample, now: Sample) -> Report:
    """What the node and its pods use.

    >>> web = lambda cpu: {"c1": ContainerSample("shop", "web", "u1", "main", started=0, cpu=cpu, memory=4096)}
    >>> base, now = Sample(0, 0, 0, web(0)), Sample(10 * SECOND, 8 * SECOND, 1 << 30, web(3 * SECOND))
    >>> found = plan_report("n1", base, now)
    >>> found.nodes[0].used, found.pods[0].containers
    (Used(cpu=800000000, memory=1073741824), {'main': Used(cpu=300000000, memory=4096)})
    """
    used = Used(rate(max(now.cpu - base.cpu, 0), now.at - base.at), now.memory)
    usage = NodeUsage(node, moment(now.at), seconds(now.at - base.at), used)
    pods: dict[str, dict[str, ContainerSample]] = {}
    for id, one in now.containers.items():
        pods.setdefault(one.uid, {})[id] = one
    found = (_pod(containers, base, now) for containers in pods.values())
    return Report((usage,), tuple(one for one in found if one is not None))


def _pod(containers: Mapping[str, ContainerSample], base: Sample, now: Sample) -> PodUsage | None:
    """None: not all of its containers can be measured yet, and a part would be taken for the whole."""
    measured: dict[str, Used] = {}
    times = []
    for id, one in containers.items():
        time, before = _begin(id, one, base, now.at)
        if time < LEAST or one.cpu < before:
            return None
        measured[one.name] = Used(rate(one.cpu - before, time), one.memory)
        times.append(time)
    any_one = next(iter(containers.values()))
    return PodUsage(any_one.namespace, any_one.pod, moment(now.at), seconds(min(times)), measured)


def _begin(id: str, one: ContainerSample, base: Sample, now: int) -> tuple[int, int]:
    """How long ago the measure begins, and the CPU time that had been used then."""
    before = base.containers.get(id)
    if before is not None and before.started == one.started:
        return now - base.at, before.cpu
    return now - one.started, 0


def moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / SECOND, UTC)


def seconds(time: int) -> float:
    """Milliseconds are exact enough.

    >>> seconds(1_234_567_890)
    1.235
    """
    return round(time / SECOND, 3)
