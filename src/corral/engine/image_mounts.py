"""Images that a container is shown (`--mount type=image`): each as a root file system of its own, to read only.

It is made with the container, so that the image's layers stay as long as the container, whatever becomes of the
image's names; it is mounted below the bundle for the moment in which the runtime takes it over. It is called after
the container and the mount's number: `CONTAINER-N`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

from msgspec.structs import replace

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.teardown import PIN
from corral.engine.userns import remap_of
from corral.images.library import Images
from corral.kit.ids import new_id
from corral.model.container import Container, MountPoint
from corral.volumes.attach import pin, unpin


def find_images(images: Images, points: Sequence[MountPoint]) -> list[MountPoint]:
    """The mount points with the id of the image that a name means now. NotFound."""
    return [replace(p, source=images.get(p.source).id) if p.type == "image" else p for p in points]


def prepare_images(parts: Parts, record: Container, undo: AsyncExitStack) -> None:
    """Makes what a new container's images are mounted from."""
    for n, point in _images(record):
        parts.images.prepare(f"{record.id}-{n}", point.source)
        undo.push_async_callback(parts.images.discard, f"{record.id}-{n}")


def mount_images(parts: Parts, live: Live, held: AsyncExitStack) -> None:
    """Mounts them, and notes where, until `held` unwinds: what runs then has them. HostError, NotFound (a subpath)."""
    remap = remap_of(parts, live.record.spec)
    for n, point in _images(live.record):
        place = f"{parts.paths.bundle(live.id)}/{PIN}image{n}"
        os.mkdir(place, 0o700)
        held.callback(unpin, place)
        if remap is None:
            parts.images.rootfs.mount(f"{live.id}-{n}", place, ephemeral=True)
        else:
            parts.images.rootfs.mount(f"{live.id}-{n}", place, ephemeral=True, seen=remap.seen, owner=remap.maps.root)
        live.sources[point.target] = place
        if point.spec is not None and point.spec.subpath:
            held.callback(unpin, f"{place}.part")
            pin(place, point.spec.subpath, f"{place}.part")
            live.sources[point.target] = f"{place}.part"


@asynccontextmanager
async def images_in_view(parts: Parts, record: Container) -> AsyncIterator[list[MountPoint]]:
    """The mount points of a container that does not run, its images mounted for the while."""
    points = list(record.mount_points)
    with ExitStack() as held:
        for n, point in _images(record):
            place = f"{parts.paths.run}/m/{new_id()[:16]}"
            os.makedirs(place)
            held.callback(unpin, place)
            parts.images.rootfs.mount(f"{record.id}-{n}", place)
            points[n] = replace(point, source=place)
        yield points


def _images(record: Container) -> list[tuple[int, MountPoint]]:
    return [(n, point) for n, point in enumerate(record.mount_points) if point.type == "image"]
