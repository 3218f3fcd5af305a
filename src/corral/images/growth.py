"""How a draft grows by a layer: by what a container wrote, by several layers in one, by one that another stack has."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from corral.images import load as loading
from corral.images import merging
from corral.images.digests import next_chain
from corral.images.draft import Draft
from corral.images.layers import Layer
from corral.linux.archive import remove_tree
from corral.linux.streams import in_thread

if TYPE_CHECKING:
    from corral.images.library import Images


async def adopt(images: Images, container_id: str, draft: Draft, latest: int | None = None) -> str:
    """What was written into a writable layer becomes the next layer of `draft`, whose layers it stands on; its
    diff id. The files are moved, so the writable layer can only be discarded then. Unmount first.

    `latest`: as in `Layers.adopt`.
    """
    upper = images.rootfs.upper(container_id)
    below = draft.dirs()
    layer = await loading.finished(in_thread("adopt", lambda: images.layers.adopt(upper, below, latest)), images)
    draft.add_next(layer)
    return layer.diff


async def merge(images: Images, chain: str, draft: Draft) -> str:
    """The layers from those of `draft` up to `chain`, which the caller holds, become its next one; the diff id."""
    below, stack = draft.dirs(), images.layers.stack(chain)
    above = stack[len(images.layers.stack(draft.top)) :]
    dirs = [images.layers.dir_of(layer) for layer in reversed(above)]
    place = f"{images.scratch}/{os.urandom(8).hex()}"

    def work() -> Layer:
        try:
            merging.merge(place, dirs, below)
            return images.layers.adopt(place, below)
        finally:
            remove_tree(place)

    layer = await loading.finished(in_thread("merge", work), images)
    draft.add_next(layer)
    return layer.diff


async def graft(images: Images, chain: str, draft: Draft) -> None:
    """The layer `chain`, which the caller holds, becomes the next one of `draft` too, whatever it stood on."""
    layer = images.layers.stack(chain)[-1]
    if not draft.hold(next_chain(draft.top, layer.diff)):
        draft.add_next(await loading.finished(in_thread("graft", lambda: images.layers.graft(layer)), images))
