"""Cleaning the host of a process that has ended: after the answer, and before the next start."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import Awaitable
from contextlib import suppress

from corral.engine import reserve
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.errors import CorralError, HostError
from corral.linux.cgroup_end import remove_group
from corral.linux.mounts import unmount

log = logging.getLogger("corral.engine")

AFTER_KILL = 10.0  # seconds for the kernel to end processes that got SIGKILL
STACKED = 16  # mounts on one directory, at most
PIN = "part-"  # of the names of directories and files in a bundle that show parts of volumes while it starts


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
    for made in parts.images.rootfs.ids():
        if made.partition("-")[0] == id:  # its own, and those of the images that it is shown (see `image_mounts`)
            await parts.images.discard(made)
    await asyncio.to_thread(shutil.rmtree, parts.paths.state(id), ignore_errors=True)
    await reserve.take_aside(parts.config.root)


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

    What one step cannot do is logged and keeps the others from nothing; but the bundle stays then, so that the next
    start, of the container or of the daemon, tries again.
    """
    bundle, maker = parts.paths.bundle(id), parts.runtimes.of(runtime)
    done = [await _tried(id, parts.monitor.end(bundle))]  # first, so that nothing is made any more
    if parts.cgroups.pids(group):
        done.append(await _tried(id, maker.delete(id, force=True)))
    done.append(await _tried(id, remove_group(parts.cgroups, group, AFTER_KILL)))
    maker.forget(id)  # all have ended: what the runtime's delete command would do otherwise, at a fiftieth of the cost
    done.append(await _tried(id, asyncio.to_thread(_unmount, parts, id)))  # it may wait for the disk
    if all(done):
        await asyncio.to_thread(shutil.rmtree, bundle, ignore_errors=True)
    parts.exits.forget(id)


async def _tried(id: str, step: Awaitable[None]) -> bool:
    try:
        await step
    except CorralError as error:
        log.error("container %s: %s", id[:12], error.message)
        return False
    return True


def _unmount(parts: Parts, id: str) -> None:
    """HostError where something stays mounted: with the bundle, the container's files would be deleted."""
    bundle, rootfs = parts.paths.bundle(id), parts.paths.rootfs(id)
    with suppress(FileNotFoundError):
        for name in os.listdir(bundle):
            if name == "shm" or name.startswith(PIN):
                unmount(f"{bundle}/{name}", lazy=True)
    for _ in range(STACKED):
        if not os.path.ismount(rootfs):
            return
        parts.images.rootfs.unmount(rootfs)
    raise HostError(f"unmount {rootfs}: still mounted")
