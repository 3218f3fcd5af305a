"""Removing containers."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable

from msgspec.structs import replace

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.stop import kill_hard
from corral.engine.wait import tell_exit
from corral.errors import Conflict, CorralError
from corral.model.container import Container


async def remove(parts: Parts, live: Live, *, force: bool = False, volumes: bool = False) -> None:
    """Removes a container, and with `volumes` its anonymous ones. Conflict while it runs, unless forced."""
    status = live.record.state.status
    if live.record.state.running and not force:
        what = "is paused and must be unpaused first" if status == "paused" else f"is {status}"
        raise Conflict(
            f'cannot remove container "{live.name}": container {what}: '
            "stop the container before removing or force remove"
        )
    if status == "removing":
        raise Conflict(f"removal of container {live.id} is already in progress")
    live.cancel_restart()
    if status in ("running", "paused"):
        async with live.lock:
            if live.record.state.status in ("running", "paused"):
                live.keep = True  # the removal here tells the rest, with the volumes as asked
                live.record.state.stopped_by_user = True
                await kill_hard(parts, live)
        await asyncio.wait_for(live.exited.wait(), 30)
    async with live.lock:
        if not live.removed:
            await forget(parts, live, volumes=volumes)


async def forget(parts: Parts, live: Live, *, volumes: bool) -> None:
    """The lock is held and nothing runs. The record goes first: from then on the container does not exist."""
    record = live.record
    live.record.state = replace(record.state, status="removing")
    await parts.registry.delete(live)
    parts.tell(live, "destroy")
    tell_exit(live, gone=True)
    if volumes:
        for point in record.mount_points:
            if point.type == "volume" and point.anonymous and not volume_users(parts, point.name):
                await remove_volume(parts, point.name)

    async def work() -> None:
        await live.torn_down.wait()
        await discard(parts, live.id)

    await parts.afterwork.put(f"removal of {record.name}", work)


async def remove_volume(parts: Parts, name: str) -> None:
    """Removes a volume that no container refers to; one that is gone already is fine."""
    if parts.volumes.exists(name):
        await parts.volumes.remove(name)
        parts.events.publish("volume", "destroy", name, {"driver": "local"})


async def discard(parts: Parts, id: str) -> None:
    """Deletes a removed container's files. May be called again on what is half gone."""
    await parts.images.discard(id)
    await asyncio.to_thread(shutil.rmtree, parts.paths.state(id), ignore_errors=True)


def volume_users(parts: Parts, name: str) -> list[str]:
    """The ids of the containers that refer to volume `name`."""
    return [
        live.id
        for live in parts.registry
        if any(p.type == "volume" and p.name == name for p in live.record.mount_points)
    ]


async def prune(parts: Parts, select: Callable[[Container], bool]) -> tuple[list[str], int]:
    """Removes every container that does not run and that `select` takes: their ids, and the bytes they held."""
    removed, freed = [], 0
    for live in parts.registry:
        if live.record.state.running or not select(live.record):
            continue
        size = await parts.images.size_rw(live.id)
        try:
            await remove(parts, live)
        except CorralError:  # started, or removed by another, since we looked
            continue
        removed.append(live.id)
        freed += size
    return removed, freed
