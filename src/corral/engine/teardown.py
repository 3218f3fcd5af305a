"""Cleaning the host of a process that has ended: after the answer, and before the next start."""

from __future__ import annotations

import shutil

from corral.engine.parts import Parts
from corral.engine.registry import Live


def schedule_teardown(parts: Parts, live: Live) -> None:
    """Queues the clean-up after the container's process; `live.torn_down` tells when it is done."""
    live.torn_down.clear()
    record, group = live.record, parts.group(live)

    async def work() -> None:
        try:
            await teardown(parts, record.id, record.runtime, group)
            for point in record.mount_points:
                if point.type == "volume":
                    await parts.volumes.release(point.name, record.id)
        finally:
            live.torn_down.set()

    parts.tasks.start(f"clean up {record.name}", parts.afterwork.put(f"of {record.name}", work))


async def teardown(parts: Parts, id: str, runtime: str, group: str) -> None:
    """Removes all that a process of container `id` left on the host. May be called again on what is half gone."""
    await parts.runtimes.get(runtime).delete(id, force=True)
    parts.images.unmount(parts.paths.rootfs(id))
    parts.cgroups.remove(group)
    shutil.rmtree(parts.paths.bundle(id), ignore_errors=True)
    parts.exits.forget(id)
