"""A connection that has left HTTP: bytes both ways, each direction ending on its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from corral.http.incoming import Incoming
from corral.http.message import ClientGone

if TYPE_CHECKING:
    from corral.http.connection import Connection


class Duplex(Protocol):
    """What protocols on top of a stream need of it: `read` gives b"" at the end, `write` may raise ClientGone."""

    gone: asyncio.Event

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


class Stream(Incoming):
    """Read until b"" (the client's half-close or its end); write waits while the client is slow.

    Of what the client sends not more than `HIGH` bytes wait here. `gone` is set when the client has left altogether;
    a half-close alone does not set it.
    """

    HIGH: Final = 65536
    __slots__ = ("_begun", "_connection", "gone")

    def __init__(self, connection: Connection, rest: bytes) -> None:
        super().__init__(rest)
        self._connection = connection
        self._begun = False
        self.gone = asyncio.Event()

    @property
    def full(self) -> bool:
        return self.size > self.HIGH

    def mark_gone(self) -> None:
        self.feed_end()
        self.gone.set()

    async def read(self) -> bytes:
        """What has come, at least one byte; b"" when the client will send nothing more."""
        piece = await self.take()
        if piece:
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
