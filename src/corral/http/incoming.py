"""Bytes of a connection that have come and wait for their one reader."""

from __future__ import annotations

import asyncio
from collections import deque


class Incoming:
    """Fed by the connection, taken piece by piece in the order of arrival. `size` bytes wait now."""

    __slots__ = ("_error", "_pieces", "_waiter", "complete", "size")

    def __init__(self, first: bytes = b"") -> None:
        self._pieces: deque[bytes] = deque((first,) if first else ())
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self.size = len(first)
        self.complete = False

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self.size += len(data)
        self._wake()

    def feed_end(self) -> None:
        """Nothing more will come."""
        self.complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
        """What is missing will never come: the reader is told so when it has taken the rest."""
        if not self.complete:
            self._error = error
            self._wake()

    def discard(self) -> int:
        """Drops what waits; the number of bytes dropped."""
        size, self.size = self.size, 0
        self._pieces.clear()
        return size

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def take(self) -> bytes:
        """What waits, or comes next; b"" at the end. Raises what `fail` was told. Small pieces are given as one: Go
        sends a header and a file of an archive as two chunks, and every piece costs the reader the same."""
        while not self._pieces:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        found = self._pieces.popleft() if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self.size = 0
        return found
