"""An image store for tests, and small images to put into it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from corral.images import Images, Loaded
from corral.images.remote.config import RemoteConfig
from corral.kit.clock import ManualClock
from corral.linux import mounts
from corral.model.image import Image, ImageConfig
from tests.support.tars import member, stream, tar

TREE = (
    member("./", "dir"),
    member("bin", "dir"),
    member("bin/sh", data=b"#!" + b"x" * 5000, mode=0o755, uid=0, gid=0),
    member("etc", "dir"),
    member("etc/passwd", data=b"root:x:0:0::/:/bin/sh\n"),
    member("lib", "symlink", linkname="usr/lib"),
    member("usr/lib/a", data=os.urandom(3000)),
    member("usr/lib/b", "hardlink", linkname="usr/lib/a"),
)


@asynccontextmanager
async def store(base: Path | str, remote: RemoteConfig | None = None) -> AsyncIterator[Images]:
    """The store of an instance in `base`; mounts under it are taken off at the end."""
    images = await Images.open(str(base), clock=ManualClock(1_700_000_000_000_000_000), remote=remote)
    try:
        await images.swept
        yield images
    finally:
        mounts.unmount_under(str(base))
        images.close()


async def an_image(images: Images, ref: str = "app:1", *members: object, **config: object) -> Image:
    """An image of a small tree and some more members."""
    data = tar(*TREE, *members)  # type: ignore[arg-type]
    return await images.import_rootfs(stream(data), ref=ref, message="made", config=ImageConfig(**config))  # type: ignore[arg-type]


async def saved(images: Images, *refs: str) -> bytes:
    return b"".join([chunk async for chunk in images.save(refs)])


async def load(images: Images, data: bytes, platform: str = "") -> list[Loaded]:
    return [event async for event in images.load(stream(data), platform=platform)]


def leftovers(base: Path | str) -> list[str]:
    """Files of the store that nothing records: names below content/ingest and trash, layers, roots."""
    root = f"{base}/images"
    return sorted(
        f"{place}/{name}"
        for place in ("content/ingest", "trash", "layers", "rootfs")
        for name in os.listdir(f"{root}/{place}")
    )


def nobody(image_id: str) -> list[tuple[str, bool]]:
    return []
