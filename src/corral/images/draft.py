"""Draft: an image in the making. Its new layers are on disk but not recorded; leaving it unrecorded removes them.

Layers that the store has already are held meanwhile, so that removing another image cannot take them away.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from msgspec.structs import replace

from corral.images import config
from corral.images.digests import chain_ids
from corral.images.layers import Layer
from corral.linux.streams import in_thread
from corral.model.image import Image

if TYPE_CHECKING:
    from corral.images.library import Images


class Draft:
    """Use as an async context manager: `hold` or `add` each layer from the bottom, then `record`."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._held: list[str] = []
        self._new: dict[str, Layer] = {}
        self._stack: list[str] = []

    async def __aenter__(self) -> Draft:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(asyncio.ensure_future(self._leave()))

    async def _leave(self) -> None:
        leftover, self._new = list(self._new.values()), {}
        if leftover:
            await in_thread("draft-cleanup", lambda: self._images.layers.remove(leftover))
        for chain in self._held:
            await self._images.release(chain)

    def hold(self, chain: str) -> bool:
        """Takes the next layer from the store, if it is there."""
        if self._images.layers.get(chain) is None:
            return False
        self._images.layers.hold(chain)
        self._held.append(chain)
        self._stack.append(chain)
        return True

    def add(self, layer: Layer, chain: str) -> None:
        """The next layer is new."""
        self._new[chain] = replace(layer, chain=chain, parent=self._stack[-1] if self._stack else "")
        self._stack.append(chain)

    def add_first(self, layer: Layer) -> str:
        """The only layer, or the lowest, is new; its diff id."""
        self.add(layer, layer.diff)
        return layer.diff

    def dirs(self) -> list[str]:
        """The directories so far, the top first."""
        found: list[str] = []
        for chain in reversed(self._stack):
            if chain not in self._new:
                return found + self._images.layers.dirs(chain)
            found.append(self._images.layers.dir_of(self._new[chain]))
            if self._new[chain].opaque:
                break
        return found

    async def record(self, data: bytes, names: list[str], parent: str = "") -> Image:
        """Makes it an image, with its names, in one transaction."""
        image = replace(config.parse(data), parent=parent)
        chains = chain_ids(image.diff_ids)
        sizes = [(self._new.get(chain) or self._images.layers.stack(chain)[-1]).size for chain in chains]
        image = replace(image, layer_sizes=sizes, size=sum(sizes))
        image, recorded = await self._images.record(
            data, image, [self._new[chain] for chain in chains if chain in self._new], names
        )
        for chain in recorded:
            del self._new[chain]
        return image
