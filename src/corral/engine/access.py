"""Reaching a container's file system whether it runs or not."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from corral.engine.parts import Parts
from corral.kit.ids import new_id


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
        parts.images.mount(id, target)
        yield target
    finally:
        parts.images.unmount(target)
        with suppress(OSError):
            os.rmdir(target)
