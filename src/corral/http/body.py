"""The body of a request while it arrives, and what can go wrong with it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final


class ClientGone(ConnectionError):
    """The other end has closed the connection; nobody listens any more."""


class BodyTooLarge(Exception):
    """The request's body is larger than what the handler takes. `limit` in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"request body too large: the limit is {limit} bytes")
        self.limit = limit


class Body:
    """The bytes of a request, handed over as they come. Not more than `HIGH` wait here: then the reading pauses."""

    HIGH: Final = 262144
    __slots__ = ("_error", "_pieces", "_waiter", "complete", "on_room", "on_start", "size")

    def __init__(self, on_start: Callable[[], None] | None, on_room: Callable[[], None]) -> None:
        self._pieces: deque[bytes] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._error: Exception | None = None
        self.size = 0
        self.complete = False
        self.on_start = on_start
        self.on_room = on_room

    @property
    def full(self) -> bool:
        return self.size > self.HIGH

    @property
    def awaited(self) -> bool:
        """The client sends it only after it was told to (`Expect: 100-continue`), which has not happened."""
        return self.on_start is not None and not (self.complete or self._pieces)

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self.size += len(data)
        self._wake()

    def feed_end(self) -> None:
        self.complete = True
        self._wake()

    def fail(self, error: Exception) -> None:
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

    async def read(self) -> bytes:
        """The next piece; b"" at the end. Raises ClientGone when the rest will never come."""
        if self.on_start is not None:
            start, self.on_start = self.on_start, None
            if not (self.complete or self._pieces):
                start()
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
        piece = self._pieces.popleft()
        self.size -= len(piece)
        self.on_room()
        return piece
