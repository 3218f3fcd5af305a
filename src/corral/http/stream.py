"""A connection that has left HTTP: bytes both ways, each direction ending on its own."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from corral.http.message import ClientGone

if TYPE_CHECKING:
    from corral.http.connection import Connection


class Stream:
    """Read until b"" (the client's half-close or its end); write waits while the client is slow.

    Of what the client sends not more than `HIGH` bytes wait here. `gone` is set when the client has left altogether;
    a half-close alone does not set it.
    """

    HIGH: Final = 65536
    __slots__ = ("_begun", "_connection", "_ended", "_pieces", "_size", "_waiter", "gone")

    def __init__(self, connection: Connection, rest: bytes) -> None:
        self._connection = connection
        self._pieces: deque[bytes] = deque((rest,) if rest else ())
        self._size = len(rest)
        self._ended = self._begun = False
        self._waiter: asyncio.Future[None] | None = None
        self.gone = asyncio.Event()

    @property
    def full(self) -> bool:
        return self._size > self.HIGH

    def feed(self, data: bytes) -> None:
        self._pieces.append(data)
        self._size += len(data)
        self._wake()

    def feed_eof(self) -> None:
        self._ended = True
        self._wake()

    def mark_gone(self) -> None:
        self.feed_eof()
        self.gone.set()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(self) -> bytes:
        """What has come, at least one byte; b"" when the client will send nothing more."""
        while not self._pieces:
            if self._ended:
                return b""
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        self._size -= len(piece)
        self._connection.room()
        return piece

    async def write(self, data: bytes) -> None:
        """Sends; returns when the client keeps up. Raises ClientGone."""
        if not self._begun:
            await self._connection.out.head_read()
            self._begun = True
        if self.gone.is_set():
            raise ClientGone("the client has gone")
        self._connection.out.send_soon(data)
        await self._connection.out.drained()

    def write_eof(self) -> None:
        """Nothing more will be written: the client sees the end while it may still send."""
        self._connection.out.send_eof()

    def close(self) -> None:
        """Ends both directions; what was written is still delivered."""
        self._connection.finish()
