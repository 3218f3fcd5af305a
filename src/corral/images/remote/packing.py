"""Packing: a layer's tar, made again from its files and compressed into a scratch file, which readers follow.

The same layer gives the same bytes each time, so a push that is repeated finds its blobs in the registry.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Final

from corral.images.content import Content
from corral.images.layers import Layer, Layers
from corral.images.remote.cancel import Cancel
from corral.images.remote.growing import Growing
from corral.linux.compression import gzip_compressor

_BUFFER: Final = 1 << 18


class Pack(Growing):
    """`run` in a thread of its own. `digest` and `size` are known when it is complete; `packed` counts the tar's bytes
    on the way there."""

    def __init__(self, content: Content, layers: Layers, layer: Layer) -> None:
        super().__init__()
        self._layers, self.layer = layers, layer
        self.digest, self.size, self.packed = "", 0, 0
        self.cancel = Cancel()
        self._ingest = content.ingest()
        self.begin(self._ingest.path, 0)

    def run(self) -> None:
        """Never raises: the readers are told."""
        try:
            self._pack(gzip_compressor())
        except BaseException as error:
            self.settle(error)
        else:
            self.settle()

    def _pack(self, compress: Callable[[bytes], bytes]) -> None:
        pending: list[bytes] = []
        waiting = 0
        with contextlib.closing(self._layers.tar(self.layer)) as chunks:
            for chunk in chunks:
                self.cancel.check()
                self.packed += len(chunk)
                pending.append(chunk)
                waiting += len(chunk)
                if waiting >= _BUFFER:
                    self._write(compress(b"".join(pending)))
                    pending, waiting = [], 0
        self._write(compress(b"".join(pending)) + compress(b""))
        self.size, self.digest = self._ingest.offset, self._ingest.digest()

    def _write(self, data: bytes) -> None:
        if data:
            self._ingest.write(data)
            self.grown(self._ingest.offset)

    def close(self) -> None:
        """After `run` has returned."""
        with contextlib.suppress(OSError):
            self._ingest.cancel()
