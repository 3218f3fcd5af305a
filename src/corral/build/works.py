"""Works: what all builds of an engine share: the records, cache mounts, and the work that is under way."""

from __future__ import annotations

import asyncio
import glob
import os
from collections import Counter
from typing import TYPE_CHECKING

from corral.build.caches import CacheDirs
from corral.build.records import Record, Records
from corral.build.shared import Shared
from corral.engine.engine import Engine
from corral.kit.tasks import Afterwork
from corral.linux.mounts import unmount_under
from corral.linux.streams import in_thread
from corral.linux.tree import remove_tree

if TYPE_CHECKING:
    from corral.build.copying import Fetcher

AT_ONCE = max(2, os.cpu_count() or 1)  # steps that are carried out at a time, over all builds


class Works:
    """Made by `open`, once for each engine."""

    def __init__(self, engine: Engine, records: Records, caches: CacheDirs, scratch: str) -> None:
        self.engine, self.records, self.caches, self.scratch = engine, records, caches, scratch
        self.images, self.sandboxes, self.clock = engine.images, engine.sandboxes, engine.parts.clock
        self.shared: Shared[Record] = Shared()
        self.contexts = f"{engine.parts.paths.build}/contexts"
        self._fetcher: Fetcher | None = None
        self.afterwork = Afterwork()
        self.slots = asyncio.Semaphore(AT_ONCE)
        self.held: Counter[str] = Counter()  # chain ids that running builds need

    @classmethod
    async def open(cls, engine: Engine) -> Works:
        """What a crash left half made goes first."""
        root, scratch = engine.parts.paths.build, f"{engine.config.run}/b"
        caches = CacheDirs(f"{root}/caches", engine.parts.clock)
        await in_thread("sweep caches", caches.sweep)
        unmount_under(f"{root}/contexts")
        await in_thread("sweep contexts", lambda: remove_tree(f"{root}/contexts"))
        await in_thread("sweep downloads", lambda: _sweep_downloads(f"{root}/fetched"))
        unmount_under(scratch)
        await in_thread("sweep builds", lambda: remove_tree(scratch))
        os.makedirs(scratch, mode=0o711)
        return cls(engine, await Records.open(engine.images, f"{root}/build.db"), caches, scratch)

    @property
    def fetcher(self) -> Fetcher:
        """What brings sources that are elsewhere; it trusts whom pulls trust."""
        if self._fetcher is None:
            from corral.build.copying import Fetcher
            from corral.images.remote.certificates import Trust
            from corral.images.remote.wire import Wire

            wire = Wire(Trust(self.engine.config.remote.certificates))
            self._fetcher = Fetcher(f"{self.engine.parts.paths.build}/fetched", wire=wire)
        return self._fetcher

    def busy(self) -> set[str]:
        """The chain ids of all layers that running builds need."""
        layers = self.images.layers
        return {layer.chain for chain in self.held for layer in layers.stack(chain)}

    def let_go(self, chain: str) -> None:
        """A build needs these layers no more."""
        self.held[chain] -= 1
        if not self.held[chain]:
            del self.held[chain]

    async def close(self) -> None:
        await self.afterwork.close()
        if self._fetcher is not None:
            self._fetcher.close()
        await self.records.close()


def _sweep_downloads(place: str) -> None:
    """Those that a killed daemon had begun."""
    for path in glob.glob(f"{glob.escape(place)}/*/partial-*"):
        os.unlink(path)
