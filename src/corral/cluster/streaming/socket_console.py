"""A terminal through a web socket: each message begins with the number of its channel.

Follows k8s.io/streaming/pkg/httpstream/wsstream. `v5.channel.k8s.io` can end a channel: 255 and its number. The base64
protocols are for browsers: a digit, then the data in base64, as text.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from typing import Any, Final

from corral.cluster.streaming.console import (
    ERROR,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    Readable,
    Resize,
    Sizes,
    status_bytes,
)
from corral.cluster.streaming.options import ProcessOptions
from corral.http.incoming import Incoming
from corral.http.stream import Duplex
from corral.http.websocket import WebSocket

LONGEST: Final = 32 << 20  # bytes of a message
HIGH: Final = 1 << 20  # bytes of input that may wait for the process
CLOSE: Final = 255


class Channels:
    """Messages with channels, in one of the protocols."""

    def __init__(self, stream: Duplex, protocol: str) -> None:
        self._base64 = "base64" in protocol
        self._socket = WebSocket(stream, text=self._base64, limit=LONGEST)

    async def receive(self) -> tuple[int, bytes] | None:
        """The next message with anything in it; None when the client has left."""
        while (message := await self._socket.message()) is not None:
            if not message:
                continue
            if not self._base64:
                return message[0], message[1:]
            try:
                return message[0] - ord("0"), base64.b64decode(message[1:], validate=True)
            except binascii.Error:
                await self._socket.close(1007)
                return None
        return None

    async def send(self, channel: int, data: bytes) -> None:
        """ClientGone."""
        if self._base64:
            await self._socket.write(b"%d" % channel + base64.b64encode(data))
        else:
            await self._socket.write(bytes((channel,)) + data)

    async def close(self) -> None:
        await self._socket.close()


class Held(Incoming):
    """Bytes of one channel that wait for whoever reads them. `room` returns when there is room for more."""

    __slots__ = ("_taken", "dropped")

    def __init__(self) -> None:
        super().__init__()
        self._taken = asyncio.Event()
        self.dropped = False

    async def read(self) -> bytes:
        piece = await self.take()
        self._taken.set()
        return piece

    async def room(self) -> None:
        if self.dropped:
            self.discard()
        while self.size > HIGH:
            self._taken.clear()
            await self._taken.wait()

    def drop(self) -> None:
        """Nobody reads any more: what comes from now on is of no use."""
        self.dropped = True
        self.discard()
        self._taken.set()


class SocketConsole:
    """See `Console`."""

    def __init__(self, stream: Duplex, protocol: str, options: ProcessOptions) -> None:
        self._channels, self._protocol, self._options = Channels(stream, protocol), protocol, options
        self._held = Held()
        self.stdin: Readable | None = self._held if options.stdin else None
        self.ready = asyncio.Event()

    async def run(self, resize: Resize) -> None:
        # An empty message tells the client that it is connected.
        first = STDOUT if self._options.stdout else STDERR if self._options.stderr else ERROR
        await self._channels.send(first, b"")
        self.ready.set()
        sizes = Sizes()
        while (found := await self._channels.receive()) is not None:
            channel, data = found
            if channel == STDIN and self._options.stdin and data and not self._held.complete:
                self._held.feed(data)
                await self._held.room()
            elif channel == RESIZE and self._options.tty:
                for height, width in sizes.feed(data):
                    await resize(height, width)
            elif channel == CLOSE and self._protocol.startswith("v5.") and data[:1] == bytes((STDIN,)):
                self._held.feed_end()

    async def output(self, channel: int, data: bytes) -> None:
        await self._channels.send(channel, data)

    async def finish(self, status: dict[str, Any]) -> None:
        said = status_bytes(status, self._protocol)
        if said:
            await self._channels.send(ERROR, said)
        await self._channels.close()
