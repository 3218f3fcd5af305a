"""Commit: what a container wrote becomes a layer on its image, and both together an image (`docker commit`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corral.images import config as configs
from corral.images.digests import chain_ids
from corral.images.layers import Layer
from corral.images.load import finished
from corral.images.packing import pack_layer
from corral.images.references import parse_tag
from corral.linux.archive import Limits
from corral.linux.streams import ReadAhead, in_thread
from corral.model.image import Image, ImageConfig

if TYPE_CHECKING:
    from corral.images.library import Images


async def commit(
    images: Images,
    container_id: str,
    base: Image,
    *,
    config: ImageConfig,
    ref: str,
    author: str,
    comment: str,
    created_by: str,
) -> Image:
    """The image, recorded under `ref` unless that is empty. `base` is what the container was made from."""
    names = [str(parse_tag(ref))] if ref else []
    upper = images.rootfs.upper(container_id)
    async with images.draft() as draft:
        chains = chain_ids(base.diff_ids)
        for chain in chains:
            draft.hold(chain)
        below = draft.dirs()
        layer = await finished(in_thread("commit", lambda: _unpack(images, upper, below)), images)
        draft.add(layer, chain_ids([*base.diff_ids, layer.diff])[-1])
        child = configs.child(
            base,
            config,
            diff_id=layer.diff,
            created=images.clock.now(),
            created_by=created_by or " ".join(config.command or []),
            author=author,
            comment=comment,
        )
        return await draft.record(configs.build(child), names, base.id)


def _unpack(images: Images, upper: str, below: list[str]) -> Layer:
    """A container's writable layer, through a tar, into a new layer. Blocking."""
    with ReadAhead.of(lambda put: pack_layer(put, upper, below)) as tar:
        return images.layers.unpack(tar, lambda: below, Limits())
