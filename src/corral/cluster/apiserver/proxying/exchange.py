"""One HTTP exchange over a connection to a pod: the request goes out while the answer comes in."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

import httptools

from corral.cluster.apiserver.proxying.heads import Pairs
from corral.cluster.client.nodes import Connection
from corral.errors import RemoteFailed
from corral.http.message import ClientGone, Request
from corral.http.render import LAST_CHUNK, bodyless, chunk

HEAD_LIMIT: Final = 1 << 20  # bytes before the answer's body


class _Collector:
    """The callbacks of httptools."""

    def __init__(self) -> None:
        self.headers: Pairs = []
        self.pieces: deque[bytes] = deque()
        self.head_done = self.complete = False

    def on_message_begin(self) -> None:
        self.headers, self.head_done, self.complete = [], False, False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.head_done = True

    def on_body(self, data: bytes) -> None:
        self.pieces.append(data)

    def on_message_complete(self) -> None:
        self.complete = True


class Exchange:
    """`begin` sends the request and returns when the answer's head is here; then iterate over the body, `aclose`.

    `rest`: after a 101, what came behind the head.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._found = _Collector()
        self._parser = httptools.HttpResponseParser(self._found)
        self._sending: asyncio.Task[None] | None = None
        self._ended = False
        self.status, self.rest = 0, b""

    @property
    def headers(self) -> Pairs:
        return self._found.headers

    async def begin(self, head: bytes, request: Request | None) -> None:
        """`request` has the body, if there is one. RemoteFailed when what comes is no HTTP, or too little of it."""
        try:
            await self._connection.write(head)
            if request is not None and request.has_body:
                self._sending = asyncio.create_task(self._send(request), name="proxy request")
            await self._read_head()
        except OSError as error:
            raise RemoteFailed(str(error)) from None

    async def _send(self, request: Request) -> None:
        """The body, as it comes. A pod that reads no more may have answered already."""
        chunked = "transfer-encoding" in request.headers
        try:
            async for data in request.stream():
                await self._connection.write(chunk(data) if chunked else data)
            if chunked:
                await self._connection.write(LAST_CHUNK)
        except ClientGone:
            await self._connection.close()  # half a request must not be taken for a whole one
        except OSError:
            pass

    async def _read_head(self) -> None:
        size = 0
        while not self._found.head_done or 100 <= self._parser.get_status_code() < 200:
            data = await self._connection.read()
            size += len(data)
            if not data or size > HEAD_LIMIT:
                raise RemoteFailed("EOF" if not data else "the head of the answer is too large")
            self._feed(data)
            if self._found.head_done and self._parser.get_status_code() == 101:
                break
        self.status = self._parser.get_status_code()

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.rest = data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            raise RemoteFailed(f"malformed HTTP response: {error}") from None

    def has_body(self, method: str) -> bool:
        return method != "HEAD" and not bodyless(self.status)

    @property
    def _until_end(self) -> bool:
        """The end of the connection is the end of the body."""
        return not any(name.lower() in ("content-length", "transfer-encoding") for name, _ in self.headers)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """RemoteFailed for a body that breaks off."""
        while not self._found.pieces:
            if self._found.complete or self._ended:
                raise StopAsyncIteration
            data = await self._connection.read()
            if data:
                self._feed(data)
            elif self._until_end:
                self._ended = True
            else:
                raise RemoteFailed("the answer broke off")
        found = b"".join(self._found.pieces)
        self._found.pieces.clear()
        return found

    async def aclose(self) -> None:
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.gather(self._sending, return_exceptions=True)
        await self._connection.close()
