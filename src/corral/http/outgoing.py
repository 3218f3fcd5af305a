"""What goes out to one client: gathered into few system calls, and never more than the client keeps up with."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import IO, Final

from corral.http.body import ClientGone
from corral.http.hangup import unread
from corral.http.tls import TlsTransport

GATHER: Final = 65536  # bytes of small pieces that are sent together
FILE_PIECE: Final = 262144  # bytes of a file that are read at once where the kernel cannot send it


class Outgoing:
    """The writing half of a connection. After `lose` nothing is sent any more."""

    __slots__ = ("_fd", "_gathered", "_paused", "_size", "_transport", "_turn", "_waiters", "local", "lost")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        sock = transport.get_extra_info("socket")
        self._fd = sock.fileno()
        self.local = sock.family == socket.AF_UNIX
        self.lost = self._paused = self._turn = False
        self._gathered: list[bytes] = []
        self._size = 0
        self._waiters: list[asyncio.Future[None]] = []

    def send(self, data: bytes) -> None:
        self.flush()
        if not self.lost and not self._transport.is_closing():
            self._transport.write(data)

    def send_soon(self, data: bytes) -> None:
        """Sends with whatever else comes before the event loop turns: many small pieces cost one system call."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self.flush)
        self._gathered.append(data)
        self._size += len(data)
        if self._size >= GATHER:
            self.flush()
            self._turn = True

    def flush(self) -> None:
        if self._gathered:
            gathered, self._gathered, self._size = self._gathered, [], 0
            self.send(b"".join(gathered))

    def send_eof(self) -> None:
        self.flush()
        if not self.lost and not self._transport.is_closing() and self._transport.can_write_eof():
            with suppress(OSError):  # the client has just closed: its end is on the way here
                self._transport.write_eof()

    async def send_file(self, file: IO[bytes], offset: int, count: int) -> int:
        """Sends a part of a file, as fast as the client takes it; the bytes sent. Raises ClientGone.

        On a plain socket the kernel does it (sendfile); TLS needs the bytes here to encrypt them.
        """
        self.flush()
        if self.lost or self._transport.is_closing():
            raise ClientGone("the client has gone")
        if isinstance(self._transport, TlsTransport):
            return await self._send_file_by_pieces(file, offset, count)
        loop = asyncio.get_running_loop()
        try:
            return await loop.sendfile(self._transport, file, offset, count, fallback=False)
        except (ConnectionError, TimeoutError) as error:
            raise ClientGone("the client has gone") from error

    async def _send_file_by_pieces(self, file: IO[bytes], offset: int, count: int) -> int:
        sent = 0
        while sent < count:
            data = await asyncio.to_thread(os.pread, file.fileno(), min(FILE_PIECE, count - sent), offset + sent)
            if not data:
                break
            self.send(data)
            sent += len(data)
            await self.drained()
        return sent

    async def drained(self) -> None:
        """Returns when the client has taken enough of what was sent. Raises ClientGone."""
        if self._turn:  # a fast reader must not keep the event loop from everybody else
            self._turn = False
            await asyncio.sleep(0)
        while self._paused and not self.lost:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        if self.lost:
            raise ClientGone("the client has gone")

    async def head_read(self) -> None:
        """Returns when the client has read the head of a stream, or a moment has passed.

        docker-py reads the head through a buffer that it then throws away, with whatever arrived together with the
        head. No event tells that the other end has read, so this looks, every millisecond and at most ten times.
        """
        for _ in range(10 if self.local else 0):
            if self.lost or self._transport.is_closing() or not unread(self._fd):
                return
            await asyncio.sleep(0.001)

    def pause(self) -> None:
        """The client does not keep up."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def lose(self) -> None:
        """The client is no longer there: who waits for it learns that."""
        self.lost = True
        self.resume()

    def abort(self) -> None:
        self._transport.abort()
