"""One sample: what the kernel has counted for the pods' containers and for the node."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final, NamedTuple

from corral.cluster.client.metering.rates import ContainerSample, Sample
from corral.cluster.kubelet.index import Index
from corral.cluster.kubelet.naming import NAMESPACE, POD, Attempt, read_attempt
from corral.engine.engine import Engine
from corral.errors import HostError, NotFound, from_oserror
from corral.kit.clock import Clock
from corral.model.stats import CgroupStats, Stats

_TICK: Final = 10_000_000  # nanoseconds: /proc/stat counts in hundredths of a second
_IDLE: Final = (3, 4)  # the places of idle and iowait among its numbers


class Measured(NamedTuple):
    """A container that runs, and what the kernel has counted for it."""

    id: str
    namespace: str
    pod: str
    uid: str
    attempt: Attempt
    stats: Stats


async def read_containers(engine: Engine, index: Index) -> list[Measured]:
    """All that run. Lets others have their turn between containers."""
    found = []
    for uid in sorted(index.pods()):
        for id in index.containers(uid):
            one = await _container(engine, uid, id)
            if one is not None:
                found.append(one)
            await asyncio.sleep(0)
    return found


async def _container(engine: Engine, uid: str, id: str) -> Measured | None:
    """None: it does not run."""
    try:
        record = engine.containers.get(id)
        attempt = read_attempt(record)
        if not attempt.running:
            return None
        stats = await engine.containers.stats(id)
    except (NotFound, HostError):  # it has ended, or been removed, meanwhile
        return None
    labels = record.spec.labels
    return Measured(id, labels[NAMESPACE], labels[POD], uid, attempt, stats)


async def read_sample(engine: Engine, index: Index, clock: Clock) -> Sample:
    """HostError."""
    return sample_of(await read_containers(engine, index), clock.now())


def sample_of(containers: Iterable[Measured], now: int) -> Sample:
    """With the node's own. HostError."""
    found = {}
    for one in containers:
        attempt, cgroup = one.attempt, one.stats.cgroup
        used = (attempt.started, cgroup.cpu_total, working_set(cgroup))
        found[one.id] = ContainerSample(one.namespace, one.pod, one.uid, attempt.container, *used)
    return Sample(now, busy_cpu(read_file("/proc/stat")), node_memory(read_file("/proc/meminfo")), found)


def working_set(stats: CgroupStats) -> int:
    """Pure: memory without the pages of files that nobody has looked at lately: the kernel can drop them.

    >>> working_set(CgroupStats(2, memory_usage=10_000, memory_detail={"inactive_file": 4000}))
    6000
    """
    name = "inactive_file" if stats.version == 2 else "total_inactive_file"
    return max(stats.memory_usage - stats.memory_detail.get(name, 0), 0)


def busy_cpu(stat: str) -> int:
    """Pure: the CPU time of all processors that was not idle, in nanoseconds, from /proc/stat.

    The time of guests is counted in the user's already.

    >>> busy_cpu("cpu  1 2 3 1000 100 6 7 8 9 9\\ncpu0 0")
    270000000
    """
    ticks = [int(word) for word in stat.partition("\n")[0].split()[1:9]]
    return sum(number for place, number in enumerate(ticks) if place not in _IDLE) * _TICK


def node_memory(meminfo: str) -> int:
    """Pure: the working set of the whole machine, in bytes, from /proc/meminfo.

    >>> node_memory("MemTotal: 100 kB\\nMemFree: 50 kB\\nInactive(file): 20 kB\\nHugePages_Total: 0")
    30720
    """
    sizes = parse_meminfo(meminfo)
    used = sizes.get("MemTotal", 0) - sizes.get("MemFree", 0) - sizes.get("Inactive(file)", 0)
    return max(used, 0)


def parse_meminfo(text: str) -> dict[str, int]:
    """Pure: /proc/meminfo in bytes.

    >>> parse_meminfo("MemTotal: 100 kB\\nInactive(file): 20 kB")
    {'MemTotal': 102400, 'Inactive(file)': 20480}
    """
    sizes = {}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        sizes[name] = int(words[0]) * (1024 if words[1:] == ["kB"] else 1) if words else 0
    return sizes


def read_file(path: str) -> str:
    """HostError."""
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        raise from_oserror(f"read {path}", error) from error
