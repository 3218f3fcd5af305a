"""Draft: an image in the making. It holds each of its layers; leaving it without an image removes those that are new.

A new layer is known to the store at once, though not recorded before an image is: so two drafts that need the same
layer share it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec.structs import replace

from corral.images import config
from corral.images.digests import chain_ids, next_chain
from corral.images.layers import Layer
from corral.images.records import Change
from corral.linux.streams import in_thread
from corral.model.image import Image

if TYPE_CHECKING:
    from corral.images.library import Images


class Draft:
    """Use as an async context manager: `hold` or `add` each layer from the bottom, then `record`."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._stack: list[str] = []
        self._surplus: list[Layer] = []

    async def __aenter__(self) -> Draft:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(asyncio.ensure_future(self._leave()))

    async def _leave(self) -> None:
        surplus, self._surplus = self._surplus, []
        if surplus:
            await in_thread("draft-cleanup", lambda: self._images.layers.remove(surplus))
        while self._stack:
            await self._images.release(self._stack.pop())

    def hold(self, chain: str) -> bool:
        """Takes the next layer from the store, if it is there."""
        if self._images.layers.get(chain) is None:
            return False
        self._images.layers.hold(chain)
        self._stack.append(chain)
        return True

    def add(self, layer: Layer, chain: str) -> None:
        """The next layer is new; if another draft has brought it meanwhile, that one counts."""
        if self.hold(chain):
            self._surplus.append(layer)
            return
        parent = self._stack[-1] if self._stack else ""
        self._images.add_layer(replace(layer, chain=chain, parent=parent))
        self.hold(chain)

    def add_next(self, layer: Layer) -> None:
        """The same, where the chain id follows from the layers so far."""
        self.add(layer, next_chain(self.top, layer.diff))

    @property
    def top(self) -> str:
        """The chain id of the highest layer so far, "" before the first."""
        return self._stack[-1] if self._stack else ""

    def hold_all(self, chain: str) -> bool:
        """Takes `chain` and all below it as the first layers, if they are there."""
        if chain and self._images.layers.get(chain) is None:
            return False
        for layer in self._images.layers.stack(chain):
            self.hold(layer.chain)
        return True

    def add_first(self, layer: Layer) -> str:
        """The only layer, or the lowest, is new; its diff id."""
        self.add(layer, layer.diff)
        return layer.diff

    def dirs(self) -> list[str]:
        """The directories so far, the top first."""
        return self._images.layers.dirs(self._stack[-1]) if self._stack else []

    async def record(
        self,
        data: bytes,
        names: list[str],
        parent: str = "",
        *,
        documents: Iterable[bytes] = (),
        changes: Iterable[Change] = (),
    ) -> Image:
        """Makes it an image, with its names, in one transaction. Names with a digest are where it was pulled from.

        `documents` are stored as blobs, and `changes` are records that belong to it.
        """
        image = replace(config.parse(data), parent=parent)
        sizes = [self._images.layers.stack(chain)[-1].size for chain in chain_ids(image.diff_ids)]
        image = replace(image, layer_sizes=sizes, size=sum(sizes))
        return await self._images.record(data, image, names, documents=documents, changes=changes)
