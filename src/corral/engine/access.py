"""Reaching a container's file system whether it runs or not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from msgspec.structs import replace

from corral.engine.image_mounts import images_in_view
from corral.engine.inside import Inside
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remap import maps_of
from corral.engine.stop import has_ended
from corral.errors import CorralError
from corral.kit.ids import new_id
from corral.model.container import Container
from corral.runtime.users import resolve_user


@asynccontextmanager
async def mounted_rootfs(parts: Parts, id: str) -> AsyncIterator[str]:
    """The path of the container's root file system: where it is mounted now, else mounted for the while.

    An overlay may not be mounted twice at once, so one that is mounted already is used as it is.
    """
    rootfs = parts.paths.rootfs(id)
    if os.path.ismount(rootfs):
        yield rootfs
        return
    target = f"{parts.paths.run}/m/{new_id()[:16]}"
    os.makedirs(target)
    try:
        parts.images.rootfs.mount(id, target)
        yield target
    finally:
        parts.images.rootfs.unmount(target)
        with suppress(OSError):
            os.rmdir(target)


@asynccontextmanager
async def view(parts: Parts, live: Live, ref: str) -> AsyncIterator[Inside]:
    """The container's files as its processes see them; messages call it `ref`. One that does not run is not started
    meanwhile."""
    record = live.record
    if record.state.status in ("running", "paused") and not has_ended(live):
        yield _inside(parts, record, parts.paths.rootfs(live.id), record.state.pid, ref)
        return
    async with live.lock:
        await live.torn_down.wait()  # what is mounted still is about to be taken away
        async with (
            _volumes(parts, record),
            images_in_view(parts, record) as points,
            mounted_rootfs(parts, live.id) as rootfs,
        ):
            yield _inside(parts, replace(record, mount_points=points), rootfs, 0, ref)


@asynccontextmanager
async def _volumes(parts: Parts, record: Container) -> AsyncIterator[None]:
    """Those of a container that does not run, mounted for the while where their options say so."""
    user = f"view {new_id()[:12]}"
    async with AsyncExitStack() as held:
        for name in {point.name for point in record.mount_points if point.type == "volume"}:
            held.push_async_callback(parts.volumes.release, name, user)
            await parts.volumes.acquire(name, user)
        yield


def _inside(parts: Parts, record: Container, rootfs: str, pid: int, ref: str) -> Inside:
    try:
        user = resolve_user(rootfs, record.spec.user, [])
        owner = (user.uid, user.gid) if record.spec.user else None  # else whose it is in the archive
    except CorralError:
        owner = None  # a user that the image does not know: nobody can own the copy by that name
    ids = maps_of(parts.paths.bundle(record.id))
    points = record.mount_points
    if ids is not None and parts.remap is not None:  # volumes too with the ids of the root file system
        points = [replace(p, source=parts.remap.seen(p.source)) if p.type == "volume" else p for p in points]
    return Inside(
        rootfs,
        points,
        pid=pid,
        ids=ids,
        read_only=record.spec.security.read_only_rootfs,
        owner=owner,
        container=ref,
    )
