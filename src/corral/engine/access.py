"""Reaching a container's file system whether it runs or not."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager, suppress

from msgspec.structs import replace

from corral.engine.bundle import FILES, own_files
from corral.engine.image_mounts import images_in_view
from corral.engine.inside import Inside, covering
from corral.engine.mounts import ensure_bind_source
from corral.engine.namespaces import donor_of
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remap import maps_of
from corral.engine.stop import has_ended
from corral.engine.userns import remap_of
from corral.errors import CorralError, NotFound
from corral.kit.ids import new_id
from corral.linux.rooted import open_in_root
from corral.model.container import Container, MountPoint
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
            with _files(parts, record, rootfs) as files:
                yield _inside(parts, replace(record, mount_points=[*points, *files]), rootfs, 0, ref)


@contextmanager
def _files(parts: Parts, record: Container, rootfs: str) -> Iterator[list[MountPoint]]:
    """hosts, hostname and resolv.conf of one that has run and does not now, made again for the while: its own root
    file system has empty files in their places. The lock is held; what a killed daemon leaves goes with the bundle."""
    wanted = {name for name, target in FILES.items() if _is_file(rootfs, target)} if record.state.started_at else set()
    texts = {name: text for name, text in _shown_files(parts, record).items() if name in wanted} if wanted else {}
    bundle = parts.paths.bundle(record.id)
    with ExitStack() as undo:
        for name, text in texts.items():
            undo.callback(_discard_file, f"{bundle}/{name}")
            os.makedirs(bundle, exist_ok=True)
            with open(f"{bundle}/{name}", "w") as file:
                file.write(text)
        writable = not record.spec.security.read_only_rootfs
        yield [
            MountPoint("bind", f"{bundle}/{name}", FILES[name], read_write=writable)
            for name in texts
            if covering(record.mount_points, FILES[name]) is None
        ]


def _shown_files(parts: Parts, record: Container) -> dict[str, str]:
    """Its own, or those of the container whose network it shares; none where that has been removed."""
    donor = donor_of(record.spec.network.mode)
    try:
        return own_files(parts, parts.registry.get(donor).record if donor else record)
    except NotFound:
        return {}


def _is_file(rootfs: str, path: str) -> bool:
    try:
        root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fd = open_in_root(root, path, os.O_PATH | os.O_NOFOLLOW)
        finally:
            os.close(root)
        try:
            return stat.S_ISREG(os.fstat(fd).st_mode)
        finally:
            os.close(fd)
    except OSError:
        return False


def _discard_file(path: str) -> None:
    """And its directory, unless more is in it."""
    with suppress(OSError):
        os.unlink(path)
        os.rmdir(os.path.dirname(path))


@asynccontextmanager
async def _volumes(parts: Parts, record: Container) -> AsyncIterator[None]:
    """Those of a container that does not run, mounted for the while where their options say so. What binds need and
    is missing is made, as by a start."""
    remap = remap_of(parts, record.spec)
    for point in record.mount_points:
        ensure_bind_source(point, None if remap is None else remap.maps.root)
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
