"""A queue of output between a container that must never wait and a client that may be slow."""

from __future__ import annotations

import asyncio
import struct
import tempfile
from collections import deque
from typing import BinaryIO

from corral.errors import HostError

IN_MEMORY = 1 << 20
ON_DISK = 1 << 30
_HEAD = struct.Struct(">BI")


class SpillQueue:
    """Frames of (stream, bytes): the first mebibyte waits in memory, more in an unnamed file, up to a gibibyte.

    One writer that never blocks, one reader. Past the limit the queue breaks: the reader gets HostError, so the
    loss is told, and the container goes on.
    """

    def __init__(self, in_memory: int = IN_MEMORY, on_disk: int = ON_DISK) -> None:
        self._frames: deque[tuple[int, bytes]] = deque()
        self._held = 0
        self._in_memory, self._on_disk = in_memory, on_disk
        self._file: BinaryIO | None = None
        self._read_at = self._write_at = 0
        self._ended = self._broken = False
        self._ready = asyncio.Event()

    def put(self, stream: int, data: bytes) -> None:
        if self._broken or self._ended:
            return
        if self._file is None and self._held + len(data) <= self._in_memory:
            self._frames.append((stream, data))
            self._held += len(data)
        else:
            self._spill(stream, data)
        self._ready.set()

    def _spill(self, stream: int, data: bytes) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(buffering=0)
                self._read_at = self._write_at = 0
            if self._write_at - self._read_at > self._on_disk:
                raise OSError("backlog limit")
            self._file.seek(self._write_at)
            self._write_at += self._file.write(_HEAD.pack(stream, len(data)) + data)
        except OSError:
            self._broken = True

    def end(self) -> None:
        """No more frames: the reader gets what is left, then None."""
        self._ended = True
        self._ready.set()

    async def get(self) -> tuple[int, bytes] | None:
        """The next frame, or None at the end. HostError when the client was too slow for the limit."""
        while True:
            if self._frames:
                stream, data = self._frames.popleft()
                self._held -= len(data)
                return stream, data
            if self._file is not None:
                return self._unspill(self._file)
            if self._broken:
                raise HostError("this client reads too slowly: over 1 GiB of output was waiting for it")
            if self._ended:
                return None
            self._ready.clear()
            await self._ready.wait()

    def _unspill(self, file: BinaryIO) -> tuple[int, bytes]:
        file.seek(self._read_at)
        stream, size = _HEAD.unpack(file.read(_HEAD.size))
        data = file.read(size)
        self._read_at += _HEAD.size + size
        if self._read_at >= self._write_at:
            file.close()
            self._file = None
        return stream, data

    def close(self) -> None:
        self._ended = True
        self._frames.clear()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._ready.set()
