"""Removing containers."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress

from msgspec.structs import replace

from corral.engine import reserve
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.stop import AFTER_KILL, kill_hard
from corral.engine.teardown import schedule_discard
from corral.engine.wait import tell_exit
from corral.errors import Conflict, CorralError, HostError, NoSpace
from corral.model.container import Container

log = logging.getLogger("corral.engine")


async def remove(parts: Parts, live: Live, *, force: bool = False, volumes: bool = False) -> None:
    """Removes a container, and with `volumes` its anonymous ones. Conflict while it runs, unless forced.

    One that is being started meanwhile counts as running.
    """
    if live.record.state.status == "removing":
        raise Conflict(f"removal of container {live.id} is already in progress")
    while True:
        _refuse_running(live, force)
        live.cancel_restart()
        async with live.lock:
            if live.removed:
                return
            _refuse_running(live, force)
            if live.record.state.status not in ("running", "paused"):
                live.cancel_restart()
                await forget(parts, live, volumes=volumes)
                break
            await _end(parts, live)
        await _ended(live)
    await parts.afterwork.room()


def _refuse_running(live: Live, force: bool) -> None:
    status = live.record.state.status
    if live.record.state.running and not force:
        what = "is paused and must be unpaused first" if status == "paused" else f"is {status}"
        raise Conflict(
            f'cannot remove container "{live.name}": container {what}: '
            "stop the container before removing or force remove"
        )


async def _end(parts: Parts, live: Live) -> None:
    """The lock is held. The removal tells the rest, with the volumes as asked, and not the end by itself."""
    live.kept += 1
    try:
        live.record.state.stopped_by_user = True
        await kill_hard(parts, live)
    except BaseException:
        live.kept -= 1
        raise


async def _ended(live: Live) -> None:
    try:
        async with asyncio.timeout(AFTER_KILL):
            await live.exited.wait()
    except TimeoutError:
        raise HostError(
            f"cannot remove container {live.name}: tried to kill container, but did not receive an exit event"
        ) from None
    finally:
        live.kept -= 1


async def forget(parts: Parts, live: Live, *, volumes: bool) -> None:
    """The lock is held and nothing runs. The record goes first: from then on the container does not exist.

    Where anonymous volumes go too, the record first says so: a removal that is cut short between is then finished
    by the next daemon.
    """
    record, state = live.record, live.record.state
    doomed = [p.name for p in record.mount_points if volumes and p.type == "volume" and p.anonymous]
    record.state = replace(state, status="removing")
    try:
        await reserve.tend_aside(parts.config.root)
        if doomed:
            await _write(parts, live, lambda: parts.registry.save(record))
        for name in doomed:
            if volume_users(parts, name) == [live.id]:
                await _try_remove_volume(parts, name)
        await _write(parts, live, lambda: parts.registry.delete(live))
    except BaseException:
        record.state = state
        raise
    parts.tell(live, "destroy")
    tell_exit(live, gone=True)
    schedule_discard(parts, live)


async def _write(parts: Parts, live: Live, record: Callable[[], Awaitable[None]]) -> None:
    """Records a removal. Where the disk is full, and the reserve gone, too, the container's log makes the room: it goes
    anyway, and it may be what has filled the disk."""
    try:
        await record()
    except NoSpace:
        await asyncio.to_thread(_empty_log, parts, live.id)
        await record()


def _empty_log(parts: Parts, id: str) -> None:
    """Not deleted: its monitor may still have it open, and would keep the room."""
    with suppress(OSError):
        for file in os.scandir(parts.paths.state(id)):
            os.truncate(file.path, 0)
        reserve.settle(parts.config.root)


async def _try_remove_volume(parts: Parts, name: str) -> None:
    try:
        await remove_volume(parts, name)
    except CorralError as error:  # the container goes all the same
        log.warning("the anonymous volume %s stays: %s", name, error.message)


async def remove_volume(parts: Parts, name: str) -> None:
    """Removes a volume that no container refers to; one that is gone already is fine."""
    if parts.volumes.exists(name):
        await parts.volumes.remove(name)
        parts.events.publish("volume", "destroy", name, {"driver": "local"})


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
        record = live.record
        if live.removed or record.hidden or record.spec.unlisted or record.state.running or not select(record):
            continue
        try:
            size = await parts.images.rootfs.size_rw(live.id)
            if live.removed:
                continue
            await remove(parts, live)
        except CorralError:  # started, or removed by another, since we looked
            continue
        removed.append(live.id)
        freed += size
    return removed, freed
