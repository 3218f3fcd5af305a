"""Images that nobody uses and that can be fetched again: they go before any pod does.

People share the engine with the node: what they built, loaded or gave a name of their own is not the node's to remove.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable

from corral.engine.engine import Engine
from corral.errors import CorralError
from corral.model.image import Image

log = logging.getLogger("corral.kubelet")


def plan_garbage(images: Iterable[Image], used: Collection[str], pulled: Collection[str]) -> list[str]:
    """Pure: the ids of images that may go: they were pulled, and every name that they have a registry knows.

    One that was built here stays, though it was pushed since; and one that somebody gave another name.

    >>> fetched = Image("sha256:a", tags=["docker.io/library/a:1"], digests=["docker.io/library/a@sha256:1"])
    >>> pushed = Image("sha256:b", tags=["host:5000/b:1"], digests=["host:5000/b@sha256:2"])
    >>> named = Image("sha256:c", tags=["host:5000/c:1", "docker.io/library/mine:1"], digests=["host:5000/c@sha256:3"])
    >>> plan_garbage([fetched, pushed, named], used=[], pulled=["sha256:a", "sha256:c"])
    ['sha256:a']
    >>> plan_garbage([fetched], used=["sha256:a"], pulled=["sha256:a"])
    []
    """
    return [image.id for image in images if image.id in pulled and image.id not in used and not _names_of_people(image)]


def _names_of_people(image: Image) -> set[str]:
    known = {digest.partition("@")[0] for digest in image.digests}
    return {tag.rpartition(":")[0] for tag in image.tags} - known


def used_images(engine: Engine) -> set[str]:
    """By a container of anybody's, be it one that has ended, or by a volume."""
    containers = engine.containers.list(unlisted=True)
    used = {one.image_id for one in containers}
    return used | {point.source for one in containers for point in one.mount_points if point.type == "image"}


def unused(engine: Engine) -> list[str]:
    images = engine.images.list()
    pulled = {image.id for image in images if engine.images.origins.manifest(image.id) is not None}
    return plan_garbage(images, used_images(engine), pulled)


async def remove(engine: Engine, id: str) -> bool:
    """Whether it has gone."""
    try:
        await engine.images.remove(id, force=True, used_by=lambda _: [])
        return True
    except CorralError as error:  # another image was made from it, for one
        log.info("image %s stays: %s", id, error.message)
        return False
