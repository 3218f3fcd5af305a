"""Flow: one stream of a connection: messages of gRPC both ways, each side ending on its own."""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from typing import TYPE_CHECKING, Final

from corral.http.grpc import status
from corral.http.grpc.status import GrpcError, Headers

if TYPE_CHECKING:
    from corral.http.grpc.link import Link

LARGEST: Final = 16 << 20  # bytes of a message
_HEAD: Final = struct.Struct(">BI")


def frame(message: bytes) -> bytes:
    """Pure: a message as it travels: not compressed, its length before it.

    >>> frame(b"hi")
    b'\\x00\\x00\\x00\\x00\\x02hi'
    """
    return _HEAD.pack(0, len(message)) + message


class Flow:
    """Made by a Link. One task at a time may send on it, and one may receive."""

    def __init__(self, link: Link, number: int, headers: Headers) -> None:
        self._link, self.number = link, number
        self.headers = headers  # the first ones that came
        self.trailers: Headers = []
        self._came: deque[tuple[bytes, int]] = deque()  # each with what it took of the windows
        self._buffer = bytearray()
        self._ended = False
        self._failure: GrpcError | None = None
        self._wake = asyncio.Event()
        self.over = asyncio.Event()  # it was given up, or its connection is gone
        self._begun = self._done = False  # our headers are sent; our side has ended

    @property
    def path(self) -> str:
        return self.header(":path")

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    # What the link tells

    def feed(self, data: bytes, size: int) -> None:
        self._came.append((data, size))
        self._wake.set()

    def take_headers(self, headers: Headers) -> None:
        """The answer's first ones, or its last."""
        if self.headers:
            self.trailers = headers
        else:
            self.headers = headers

    def feed_end(self) -> None:
        self._ended = True
        self._wake.set()

    def fail(self, error: GrpcError) -> None:
        self._failure = self._failure or error
        self.over.set()
        self._wake.set()

    # Receiving

    async def receive(self) -> bytes | None:
        """The next message; None when the other side has said all. GrpcError when it was given up, or is none of
        gRPC's."""
        while (message := self._whole()) is None:
            if self._came:
                self._check_head()
                data, size = self._came.popleft()
                self._buffer += data
                await self._link.taken(self, size)
            elif self._ended:  # a server may give up at once what it has answered whole
                if self._buffer:
                    raise GrpcError(status.INTERNAL, "the stream ends in the middle of a message")
                return None
            elif self._failure is not None:
                raise self._failure
            else:
                self._wake.clear()
                await self._wake.wait()
        return message

    def _check_head(self) -> None:
        """An answer with another status is a web server's, and its body no messages."""
        if not self._link.serving and self.header(":status") != "200":
            status.check([head for head in self.headers if head[0] == ":status"])

    def _whole(self) -> bytes | None:
        if len(self._buffer) < _HEAD.size:
            return None
        compressed, size = _HEAD.unpack_from(self._buffer)
        if compressed:
            raise GrpcError(status.UNIMPLEMENTED, "compressed messages are not supported")
        if size > LARGEST:
            raise GrpcError(status.RESOURCE_EXHAUSTED, f"a message of {size} bytes is larger than {LARGEST}")
        end = _HEAD.size + size
        if len(self._buffer) < end:
            return None
        message = bytes(memoryview(self._buffer)[_HEAD.size : end])
        del self._buffer[:end]
        return message

    async def receive_one(self) -> bytes:
        """The only message of a call; what may come after it is left."""
        message = await self.receive()
        if message is None:
            raise GrpcError(status.INTERNAL, "a message was to come, and none did")
        return message

    # Sending

    async def send(self, message: bytes, *, last: bool = False) -> None:
        """Returns when it is on its way, at the other side's pace. GrpcError when that has given up."""
        if not self._begun and self._link.serving:
            self._begun = True
            self._link.send_headers(self, [(":status", "200"), ("content-type", "application/grpc")])
        await self._link.send_data(self, frame(message), last=last)
        self._done = self._done or last

    async def end(self) -> None:
        """We say no more, and still listen."""
        if not self._done:
            self._done = True
            await self._link.send_end(self)

    async def finish(self, code: int = status.OK, message: str = "", details: bytes = b"") -> None:
        """Ends a call that we served."""
        if self._done or self.over.is_set():
            return
        self._done = True
        found = status.trailers(code, message, details)
        if not self._begun:
            found = [(":status", "200"), ("content-type", "application/grpc"), *found]
        self._link.send_headers(self, found, last=True)
        await self._link.flush()

    def check(self) -> None:
        """Of a call that we made, when all was received. GrpcError."""
        status.check(self.trailers or self.headers)

    async def close(self) -> None:
        """Nobody listens here any more: what is not over is given up."""
        await self._link.drop(self)

    @property
    def failure(self) -> GrpcError | None:
        return self._failure

    @property
    def waiting(self) -> int:
        """Of the windows: what has come and was not taken."""
        return sum(size for _, size in self._came)
