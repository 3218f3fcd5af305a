"""The body of a request while it arrives, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from corral.http.incoming import Incoming


class ClientGone(ConnectionError):
    """The other end has closed the connection; nobody listens any more."""


class BodyTooLarge(Exception):
    """The request's body is larger than what the handler takes. `limit` in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"request body too large: the limit is {limit} bytes")
        self.limit = limit


class Body(Incoming):
    """The bytes of a request, handed over as they come. Not more than `HIGH` wait here: then the reading pauses."""

    HIGH: Final = 262144
    __slots__ = ("on_room", "on_start")

    def __init__(self, on_start: Callable[[], None] | None, on_room: Callable[[], None]) -> None:
        super().__init__()
        self.on_start = on_start
        self.on_room = on_room

    @property
    def full(self) -> bool:
        return self.size > self.HIGH

    @property
    def awaited(self) -> bool:
        """The client sends it only after it was told to (`Expect: 100-continue`), which has not happened."""
        return self.on_start is not None and not (self.complete or self._pieces)

    async def read(self) -> bytes:
        """The next piece; b"" at the end. Raises ClientGone when the rest will never come."""
        if self.on_start is not None:
            start, self.on_start = self.on_start, None
            if not (self.complete or self._pieces):
                start()
        piece = await self.take()
        if piece:
            self.on_room()
        return piece
