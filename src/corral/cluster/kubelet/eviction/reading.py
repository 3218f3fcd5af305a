"""How much this machine has left, and what each pod uses of it: read from the kernel."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, NamedTuple

from corral.cluster.kubelet.eviction.pressure import Observed
from corral.cluster.kubelet.eviction.ranking import Use
from corral.cluster.kubelet.index import Index
from corral.cluster.kubelet.metering.reading import node_memory, working_set
from corral.cluster.kubelet.naming import CONTAINER
from corral.engine.engine import Engine
from corral.errors import HostError, NotFound, from_oserror

Object = dict[str, Any]

LIMITS: Final = ("/proc/sys/kernel/pid_max", "/proc/sys/kernel/threads-max")


class Tree(NamedTuple):
    """What a directory takes on the disk: bytes and inodes."""

    size: int = 0
    inodes: int = 0


def observe(volumes: str, images: str) -> dict[str, Observed]:
    """By signal; one that the host does not tell is not there. `volumes`, `images`: where the pods' files and the
    images lie, which may be on one file system. Blocks shortly. HostError."""
    found = {"memory.available": memory_left(_read("/proc/meminfo"))}
    try:
        for name, place in (("nodefs", volumes), ("imagefs", images)):
            stat = os.statvfs(place)
            found[f"{name}.available"] = Observed(stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize)
            if stat.f_files:  # some file systems make inodes as they need them
                found[f"{name}.inodesFree"] = Observed(stat.f_ffree, stat.f_files)
    except OSError as error:
        raise from_oserror("look at the node's file systems", error) from error
    found["pid.available"] = processes_left(_read("/proc/loadavg"), [int(_read(path)) for path in LIMITS])
    return found


def memory_left(meminfo: str) -> Observed:
    """Pure: what is not in the machine's working set.

    >>> memory_left("MemTotal: 100 kB\\nMemFree: 50 kB\\nInactive(file): 20 kB")
    Observed(available=71680, capacity=102400)
    """
    lines = dict(line.split(":", 1) for line in meminfo.splitlines() if ":" in line)
    total = int(lines["MemTotal"].split()[0]) * 1024
    return Observed(max(total - node_memory(meminfo), 0), total)


def processes_left(loadavg: str, limits: Iterable[int]) -> Observed:
    """Pure: of as many as there may be; what runs is the fourth word, "running/all".

    >>> processes_left("0.1 0.2 0.3 2/100 4711", [400, 1000])
    Observed(available=300, capacity=400)
    """
    most = min(limits)
    return Observed(max(most - int(loadavg.split()[3].partition("/")[2]), 0), most)


async def read_uses(engine: Engine, index: Index, pods: Iterable[Object], resource: str, places: str) -> dict[str, Use]:
    """What each pod uses of a resource, by uid; `places` is where the pods' volumes are. What cannot be measured is
    not there."""
    found = {}
    for pod in pods:
        uid = pod["metadata"]["uid"]
        if resource in ("memory", "pids"):
            parts = await _cgroups(engine, index, uid, resource)
        else:
            parts = await read_disk(engine, index, uid, resource)
        if parts:
            rest = 0
            if resource not in ("memory", "pids"):
                rest = _part(await asyncio.to_thread(measure, f"{places}/{uid}"), resource)
            found[uid] = Use(sum(parts.values()) + rest, parts)
    return found


async def _cgroups(engine: Engine, index: Index, uid: str, resource: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for id in index.containers(uid):
        with suppress(NotFound, HostError):  # it has ended meanwhile
            record = engine.containers.get(id)
            if record.state.running:
                stats = (await engine.containers.stats(id)).cgroup
                name = record.spec.labels[CONTAINER]
                found[name] = found.get(name, 0) + (stats.pids if resource == "pids" else working_set(stats))
    return found


async def read_disk(engine: Engine, index: Index, uid: str, resource: str = "ephemeral-storage") -> dict[str, int]:
    """What each container of a pod takes on the disk: what it wrote into its own files, and its log."""
    found: dict[str, int] = {}
    for id in index.containers(uid):
        with suppress(NotFound, HostError):
            name = engine.containers.get(id).spec.labels[CONTAINER]
            upper, log = engine.parts.images.rootfs.upper(id), engine.parts.paths.state(id)
            taken = [await asyncio.to_thread(measure, place) for place in (upper, log)]
            found[name] = found.get(name, 0) + sum(_part(one, resource) for one in taken)
    return found


def _part(tree: Tree, resource: str) -> int:
    return tree.inodes if resource == "inodes" else tree.size


def measure(place: str) -> Tree:
    """Blocks. What vanishes meanwhile does not count; a file with several names counts once."""
    size, seen = 0, set()
    for base, folders, names in os.walk(place):
        for name in (*folders, *names):
            with suppress(OSError):
                stat = os.lstat(f"{base}/{name}")
                if (stat.st_dev, stat.st_ino) not in seen:
                    seen.add((stat.st_dev, stat.st_ino))
                    size += stat.st_blocks * 512
    return Tree(size, len(seen))


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except OSError as error:
        raise from_oserror(f"read {path}", error) from error
