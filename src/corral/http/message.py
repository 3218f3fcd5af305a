"""The words between a server and its handlers: a Request comes in, one of four answers goes out.

Response: complete bytes. StreamResponse: pieces, each sent as it comes. Hijack: the connection stops being HTTP
and becomes a Stream of bytes both ways. FileResponse: a part of a file, sent by the kernel.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import IO, TYPE_CHECKING
from urllib.parse import unquote

from corral.http.body import Body as Body
from corral.http.body import BodyTooLarge as BodyTooLarge
from corral.http.body import ClientGone as ClientGone
from corral.http.head import Head
from corral.http.query import Query as Query

if TYPE_CHECKING:
    from corral.http.stream import Stream


class Request:
    """What a client asked for. `path` and `query` are decoded, `raw_path` and `raw_query` as they came; names of
    headers are in lower case.

    `local`: it came through a unix socket, so the client is on this machine. `remote`: otherwise its address, as text.
    `peer_certificate`: the certificate (DER) that the client proved to have, and that our authorities have signed;
    empty when it showed none.
    """

    __slots__ = (
        *("_body", "_disconnected", "_gone"),
        *(
            "headers",
            "local",
            "method",
            "path",
            "peer_certificate",
            "query",
            "raw_path",
            "raw_query",
            "remote",
            "repeated",
            "version",
        ),
    )

    def __init__(
        self, head: Head, body: Body, *, local: bool = False, remote: str = "", peer_certificate: bytes = b""
    ) -> None:
        self.local = local
        self.remote = remote
        self.peer_certificate = peer_certificate
        self.method = head.method
        self.version = head.version
        self.headers = head.headers
        self.repeated = head.repeated
        self.raw_path, self.raw_query = split_target(head.target)
        self.path = unquote(self.raw_path, errors="replace")
        self.query = Query(self.raw_query)
        self._body = body
        self._gone = False
        self._disconnected: asyncio.Event | None = None

    def header(self, name: str, default: str = "") -> str:
        return self.headers.get(name, default)

    def values(self, name: str) -> list[str]:
        """Each value of a header that may come more than once, as it came."""
        return self.repeated.get(name) or ([self.headers[name]] if name in self.headers else [])

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

    With a Content-Length among its headers it is sent as it is, otherwise in chunks. A slow client slows the
    iterator down; when the client goes away the iterator is closed (its `finally` runs).
    """

    __slots__ = ("chunks", "headers", "status")

    def __init__(self, chunks: AsyncIterator[bytes], status: int = 200, headers: Headers | None = None) -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers) if headers else {}
        self.chunks = chunks


class FileResponse:
    """`count` bytes of an open file from `offset` on, without a copy where the connection is a plain socket.

    The file is closed afterwards, whatever happens.
    """

    __slots__ = ("count", "file", "headers", "offset", "status")

    def __init__(
        self, file: IO[bytes], offset: int, count: int, status: int = 200, headers: Headers | None = None
    ) -> None:
        self.status = status
        self.headers: dict[str, str] = dict(headers) if headers else {}
        self.file, self.offset, self.count = file, offset, count


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


Answer = Response | StreamResponse | FileResponse | Hijack
Handler = Callable[[Request], Awaitable[Answer]]
