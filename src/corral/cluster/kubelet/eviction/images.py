"""Images that nobody uses and that can be fetched again: they go before any pod does."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from corral.engine.engine import Engine
from corral.errors import CorralError
from corral.model.image import Image

log = logging.getLogger("corral.kubelet")


def plan_garbage(images: Iterable[Image], used: Collection[str]) -> list[str]:
    """Pure: the ids of images that may go. One that was built or loaded here no registry has: it stays.

    >>> fetched, built = Image("sha256:a", digests=["docker.io/library/a@sha256:1"]), Image("sha256:b", tags=["b:1"])
    >>> plan_garbage([fetched, built, Image("sha256:c", digests=["c@sha256:2"])], used=["sha256:c"])
    ['sha256:a']
    """
    return [image.id for image in images if image.digests and image.id not in used]


async def collect(engine: Engine) -> int:
    """How many have gone."""
    containers = engine.containers.list(unlisted=True)
    used = {one.image_id for one in containers}
    used |= {point.source for one in containers for point in one.mount_points if point.type == "image"}
    gone = 0
    for id in plan_garbage(engine.images.list(), used):
        try:
            await engine.images.remove(id, force=True, used_by=lambda _: [])
            gone += 1
        except CorralError as error:  # another image was made from it, for one
            log.info("image %s stays: %s", id, error.message)
    return gone
