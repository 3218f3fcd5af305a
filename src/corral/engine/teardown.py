"""Cleaning the host of a process that has ended: after the answer, and before the next start."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Callable

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.errors import CorralError
from corral.linux.mounts import unmount
from corral.linux.proc import open_pidfd, wait_exit

log = logging.getLogger("corral.engine")

AFTER_KILL = 10.0  # seconds for the kernel to end processes that got SIGKILL
STACKED = 16  # mounts on one directory, at most


def schedule_teardown(parts: Parts, live: Live) -> None:
    """Queues the clean-up after the container's process; `live.torn_down` tells when it is done.

    A container that is removed meanwhile is discarded right after: one work waits for no other.
    """
    live.torn_down.clear()

    async def work() -> None:
        try:
            await teardown(parts, live)
        finally:
            live.torn_down.set()
        if live.removed:
            await discard(parts, live.id)

    parts.afterwork.add(f"of {live.name}", work)


def schedule_discard(parts: Parts, live: Live) -> None:
    """Queues the deletion of a removed container's files, unless its clean-up, which will do it, still waits."""
    if live.torn_down.is_set():
        parts.afterwork.add(f"removal of {live.name}", lambda: discard(parts, live.id))


async def discard(parts: Parts, id: str) -> None:
    """Deletes a removed container's files. May be called again on what is half gone."""
    await parts.images.discard(id)
    await asyncio.to_thread(shutil.rmtree, parts.paths.state(id), ignore_errors=True)


async def teardown(parts: Parts, live: Live) -> None:
    """Removes all that a process of a container left on the host. May be called again on what is half gone."""
    parts.rotator.unwatch(live.id)
    await clear(parts, live.id, live.record.runtime, parts.group(live))
    await release_volumes(parts, live)


async def release_volumes(parts: Parts, live: Live) -> None:
    """Its volumes are free for others, and may be removed. May be called again. What fails is logged."""
    for point in live.record.mount_points:
        if point.type == "volume" and parts.volumes.exists(point.name):
            try:
                await parts.volumes.release(point.name, live.id)
            except CorralError as error:
                log.error("container %s: release volume %s: %s", live.name, point.name, error.message)


async def clear(parts: Parts, id: str, runtime: str, group: str) -> None:
    """The part of `teardown` that needs no record: process, monitor, mounts, cgroup, bundle.

    What one step cannot do is logged and keeps the others from nothing: the next start, of the container or of the
    daemon, tries again.
    """
    bundle = parts.paths.bundle(id)
    maker = parts.runtimes.get(runtime)
    try:
        await parts.monitor.end(bundle)  # first, so that nothing is made any more
        if parts.cgroups.pids(group):
            await maker.delete(id, force=True)
            await end_processes(parts, group)
    except CorralError as error:
        log.error("container %s: %s", id[:12], error.message)
    # Unmounting waits for the disk, and v1 has a dozen groups to remove: not on the event loop.
    await asyncio.to_thread(_take_away, parts, id, group, maker.forget)
    parts.exits.forget(id)


async def end_processes(parts: Parts, group: str) -> None:
    """Kills what is left in a group, as processes of a shared pid namespace are, and waits until it is gone."""
    for pid in parts.cgroups.pids(group):
        pidfd = open_pidfd(pid)
        if pidfd is None:
            continue
        try:
            parts.cgroups.kill(group)
            async with asyncio.timeout(AFTER_KILL):
                await wait_exit(pidfd)
        except TimeoutError:
            log.error("process %d in %s does not end", pid, group)
        finally:
            os.close(pidfd)


def _take_away(parts: Parts, id: str, group: str, forget: Callable[[str], None]) -> None:
    bundle, rootfs = parts.paths.bundle(id), parts.paths.rootfs(id)
    forget(id)  # all have ended: what the runtime's delete command would do otherwise, at a fiftieth of the cost
    try:
        unmount(f"{bundle}/shm", lazy=True)
        for _ in range(STACKED):
            if not os.path.ismount(rootfs):
                break
            parts.images.unmount(rootfs)
        parts.cgroups.remove(group)
    except CorralError as error:
        log.error("container %s: %s", id[:12], error.message)
    if not os.path.ismount(rootfs):  # else its files would be deleted with the bundle
        shutil.rmtree(bundle, ignore_errors=True)
