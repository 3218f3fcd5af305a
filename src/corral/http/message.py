"""The words between a server and its handlers: a Request comes in, one of three answers goes out.

Response: complete bytes. StreamResponse: pieces, each sent as it comes. Hijack: the connection stops being HTTP
and becomes a Stream of bytes both ways.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from corral.http.parser import Head

if TYPE_CHECKING:
    from corral.http.stream import Stream


class ClientGone(ConnectionError):
    """The other end has closed the connection; nobody listens any more."""


class BodyTooLarge(Exception):
    """The request's body is larger than what the handler takes. `limit` in bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"request body too large: the limit is {limit} bytes")
        self.limit = limit


FALSE_WORDS: Final = frozenset(("", "0", "no", "false", "none"))


class Query:
    """The parameters behind the question mark; a name may come several times.

    >>> q = Query("all=1&tail=&f=a&f=b%20c")
    >>> q.flag("all"), q.flag("tail"), q.flag("size"), q.get("tail", "all"), q.all("f")
    (True, False, False, '', ['a', 'b c'])
    """

    __slots__ = ("values",)

    def __init__(self, text: str = "") -> None:
        self.values: dict[str, list[str]] = {}
        if text:
            for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
                self.values.setdefault(name, []).append(value)

    def __contains__(self, name: str) -> bool:
        return name in self.values

    def get(self, name: str, default: str = "") -> str:
        """The first value, or the default when the name did not come at all."""
        found = self.values.get(name)
        return found[0] if found else default

    def all(self, name: str) -> list[str]:
        return self.values.get(name, [])

    def flag(self, name: str, default: bool = False) -> bool:
        """A switch: "", "0", "no", "false" and "none" are off, anything else is on; `default` when it did not come."""
        if name not in self.values:
            return default
        return self.get(name).strip().lower() not in FALSE_WORDS


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


class Request:
    """What a client asked for. `path` is decoded, `raw_path` as it came; header names are in lower case."""

    __slots__ = ("_body", "_disconnected", "_gone", "headers", "method", "path", "query", "raw_path", "version")

    def __init__(self, head: Head, body: Body) -> None:
        self.method = head.method
        self.version = head.version
        self.headers = head.headers
        self.raw_path, query = split_target(head.target)
        self.path = unquote(self.raw_path, errors="replace")
        self.query = Query(query)
        self._body = body
        self._gone = False
        self._disconnected: asyncio.Event | None = None

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name, default)

    @property
    def has_body(self) -> bool:
        """A body was announced (it may still turn out empty when it is chunked)."""
        return self.headers.get("content-length", "0") != "0" or "transfer-encoding" in self.headers

    @property
    def disconnected(self) -> asyncio.Event:
        """Is set when the client has gone away."""
        if self._disconnected is None:
            self._disconnected = asyncio.Event()
            if self._gone:
                self._disconnected.set()
        return self._disconnected

    def mark_disconnected(self) -> None:
        self._gone = True
        if self._disconnected is not None:
            self._disconnected.set()

    async def body(self, limit: int = 16 * 1024 * 1024) -> bytes:
        """All of the body. Raises BodyTooLarge, ClientGone."""
        announced = self.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > limit:
            raise BodyTooLarge(limit)
        pieces: list[bytes] = []
        size = 0
        while piece := await self._body.read():
            size += len(piece)
            if size > limit:
                raise BodyTooLarge(limit)
            pieces.append(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def stream(self) -> AsyncIterator[bytes]:
        """The body piece by piece; the client is slowed down when nobody asks. Raises ClientGone."""
        while piece := await self._body.read():
            yield piece


def split_target(target: str) -> tuple[str, str]:
    """Pure: (path, query) of a request target, which may also be a whole URL or `*`.

    >>> split_target("/a/b?c=d"), split_target("http://docker/v1.24/info"), split_target("*"), split_target("http://x")
    (('/a/b', 'c=d'), ('/v1.24/info', ''), ('*', ''), ('/', ''))
    """
    path, _, query = target.partition("?")
    if not path.startswith("/") and "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path, query


Headers = Mapping[str, str]


class Response:
    """A complete answer."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int = 200, headers: Headers | None = None, body: bytes = b"") -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers) if headers else {}
        self.body = body


class StreamResponse:
    """An answer in pieces: the head goes out at once, then each piece as soon as the iterator gives it.

    A slow client slows the iterator down; when the client goes away the iterator is closed (its `finally` runs).
    """

    __slots__ = ("chunks", "headers", "status")

    def __init__(self, chunks: AsyncIterator[bytes], status: int = 200, headers: Headers | None = None) -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers) if headers else {}
        self.chunks = chunks


class Hijack:
    """The connection leaves HTTP: this head is sent as it is, then `handler` owns the stream until it returns."""

    __slots__ = ("handler", "headers", "reason", "status")

    def __init__(
        self,
        handler: Callable[[Stream], Awaitable[None]],
        status: int = 101,
        headers: Headers | None = None,
        reason: str = "",
    ) -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers) if headers else {}
        self.reason = reason
        self.handler = handler


Answer = Response | StreamResponse | Hijack
Handler = Callable[[Request], Awaitable[Answer]]
