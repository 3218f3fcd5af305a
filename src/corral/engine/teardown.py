"""Cleaning the host of a process that has ended: after the answer, and before the next start."""

from __future__ import annotations

import shutil

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.linux.mounts import unmount


def schedule_teardown(parts: Parts, live: Live) -> None:
    """Queues the clean-up after the container's process; `live.torn_down` tells when it is done."""
    live.torn_down.clear()

    async def work() -> None:
        try:
            await teardown(parts, live)
        finally:
            live.torn_down.set()

    parts.tasks.start(f"clean up {live.name}", parts.afterwork.put(f"of {live.name}", work))


async def teardown(parts: Parts, live: Live) -> None:
    """Removes all that a process of a container left on the host. May be called again on what is half gone."""
    parts.rotator.unwatch(live.id)
    await clear(parts, live.id, live.record.runtime, parts.group(live))
    await release_volumes(parts, live)


async def release_volumes(parts: Parts, live: Live) -> None:
    """Its volumes are free for others, and may be removed. May be called again."""
    for point in live.record.mount_points:
        if point.type == "volume" and parts.volumes.exists(point.name):
            await parts.volumes.release(point.name, live.id)


async def clear(parts: Parts, id: str, runtime: str, group: str) -> None:
    """The part of `teardown` that needs no record: process, monitor, mounts, cgroup, bundle."""
    bundle = parts.paths.bundle(id)
    await parts.monitor.end(bundle)  # first, so that nothing is made any more
    maker = parts.runtimes.get(runtime)
    if parts.cgroups.pids(group):
        await maker.delete(id, force=True)
    maker.forget(id)  # all have ended: what its delete command would do otherwise, at a fiftieth of the cost
    parts.images.unmount(parts.paths.rootfs(id))
    unmount(f"{bundle}/shm", lazy=True)
    parts.cgroups.remove(group)
    shutil.rmtree(bundle, ignore_errors=True)
    parts.exits.forget(id)
