"""HTTP/1.1 as a client of one server: connections that are kept and used again, bodies as a whole or line by line."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from corral.errors import InvalidInput

MOST_KEPT: Final = 4  # connections that wait for the next request
LIMIT: Final = 1 << 20  # bytes of a head, and of what is read ahead
CONNECT_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 60.0
# A peer that has vanished without a word is found out after about 25 s, whether or not something was sent (ms).
KEEPALIVE: Final = (
    (socket.TCP_KEEPIDLE, 10),
    (socket.TCP_KEEPINTVL, 5),
    (socket.TCP_KEEPCNT, 3),
    (socket.TCP_USER_TIMEOUT, 25_000),
)


class Place(NamedTuple):
    """A server: where it is, and the name that its certificate must bear."""

    host: str
    port: int
    server_name: str

    @property
    def authority(self) -> str:
        """As in the header Host.

        >>> Place("::1", 6443, "").authority
        '[::1]:6443'
        """
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_url(url: str, server_name: str = "") -> Place:
    """Pure. InvalidInput for all but https://HOST[:PORT].

    >>> parse_url("https://10.0.0.1:6443"), parse_url("https://box", "kubernetes")
    (Place(host='10.0.0.1', port=6443, server_name='10.0.0.1'), Place(host='box', port=443, server_name='kubernetes'))
    """
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or 443
    except ValueError:
        host, port = None, 0
    if parts.scheme != "https" or not host or parts.path not in ("", "/") or parts.query or parts.username:
        raise InvalidInput(f"server {url!r}: must be https://HOST[:PORT]")
    return Place(host, port, server_name or host)


@dataclass(frozen=True)
class Head:
    """The beginning of an answer; names of headers in lower case."""

    status: int
    headers: dict[str, str]

    @property
    def chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    @property
    def keeps(self) -> bool:
        return "close" not in self.headers.get("connection", "").lower()


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def parse_answer_head(data: bytes) -> Head:
    """Pure. ConnectionError for what is no answer of HTTP/1.1.

    >>> parse_answer_head(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n")
    Head(status=200, headers={'content-length': '2'})
    """
    first, *lines = data.decode("latin-1").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise ConnectionError(f"not an HTTP answer: {first[:80]!r}")
    pairs = (line.partition(":") for line in lines if line)
    return Head(int(words[1]), {name.lower(): value.strip() for name, _, value in pairs})


def parse_size(line: bytes) -> int:
    """Pure: of a chunk. ConnectionError.

    >>> parse_size(b"1f;name=value\\r\\n")
    31
    """
    try:
        return int(line.split(b";")[0], 16)
    except ValueError:
        raise ConnectionError(f"not the size of a chunk: {line[:40]!r}") from None


def render_request(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Pure: the bytes of a request.

    >>> render_request("GET", "/version", {"Host": "a"}, None)
    b'GET /version HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n'
    """
    found = dict(headers)
    if body is not None:
        found["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in found.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + (body or b"")


class Connection:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.answered = False  # something of the present answer has come

    @classmethod
    async def open(cls, place: Place, context: ssl.SSLContext) -> Connection:
        """OSError, TimeoutError among them."""
        made = asyncio.open_connection(
            place.host, place.port, ssl=context, server_hostname=place.server_name, limit=LIMIT
        )
        async with asyncio.timeout(CONNECT_SECONDS):
            reader, writer = await made
        handle = writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            handle.setsockopt(socket.IPPROTO_TCP, option, value)
        return cls(reader, writer)

    @property
    def alive(self) -> bool:
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def send(self, data: bytes) -> Head:
        self.answered = False
        self._writer.write(data)
        await self._writer.drain()
        while True:
            head = parse_answer_head(await self._until(b"\r\n\r\n"))
            self.answered = True
            if head.status >= 200:
                return head

    async def body(self, head: Head) -> bytes:
        if head.chunked:
            return b"".join([piece async for piece in self.chunks()])
        length = head.headers.get("content-length")
        if length is None:
            return b"" if head.status in (204, 304) else await self._reader.read(-1)
        return await self._exactly(int(length))

    async def chunks(self) -> AsyncIterator[bytes]:
        while True:
            size = parse_size(await self._until(b"\r\n"))
            if size == 0:
                while await self._until(b"\r\n") != b"\r\n":  # trailers
                    pass
                return
            yield (await self._exactly(size + 2))[:-2]

    async def _until(self, mark: bytes) -> bytes:
        try:
            return await self._reader.readuntil(mark)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise ConnectionResetError(f"the server ended the connection: {error}") from None

    async def _exactly(self, count: int) -> bytes:
        try:
            return await self._reader.readexactly(count)
        except asyncio.IncompleteReadError as error:
            raise ConnectionResetError(f"the server ended the connection: {error}") from None

    def close(self) -> None:
        self._writer.transport.abort()


class Wire:
    """Requests to one server. `close` it at the end.

    A connection shows the certificate that the context had when it was made, however long it is kept: once the context
    has another one, `renew` sees to it that later requests show that.
    """

    def __init__(self, place: Place, context: ssl.SSLContext) -> None:
        self.place = place
        self._context = context
        self._kept: list[Connection] = []
        self._renewals = 0
        self._closed = False

    async def ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> Answer:
        """OSError. A kept connection that the server has just given up is no failure of a request that only reads."""
        data = render_request(method, target, {"Host": self.place.authority, **headers}, body)
        while True:
            renewals = self._renewals
            connection, used = await self._take()
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    head = await connection.send(data)
                    answer = Answer(head.status, head.headers, await connection.body(head))
            except OSError:
                connection.close()
                if used and method == "GET" and not connection.answered:
                    continue
                raise
            except BaseException:
                connection.close()
                raise
            self._give_back(connection, head, renewals)
            return answer

    async def _take(self) -> tuple[Connection, bool]:
        while self._kept:
            connection = self._kept.pop()
            if connection.alive:
                return connection, True
            connection.close()
        return await Connection.open(self.place, self._context), False

    def _give_back(self, connection: Connection, head: Head, renewals: int) -> None:
        """`renewals`: how many there had been when the connection was taken."""
        wanted = renewals == self._renewals and not self._closed
        if wanted and head.keeps and connection.alive and len(self._kept) < MOST_KEPT:
            self._kept.append(connection)
        else:
            connection.close()

    @contextlib.asynccontextmanager
    async def stream(
        self, target: str, headers: Mapping[str, str]
    ) -> AsyncIterator[tuple[Head, bytes, AsyncIterator[bytes]]]:
        """A GET on a connection of its own: the head, the body if it is an error's, and else its lines. OSError."""
        connection = await Connection.open(self.place, self._context)
        try:
            data = render_request("GET", target, {"Host": self.place.authority, **headers}, None)
            async with asyncio.timeout(ANSWER_SECONDS):
                head = await connection.send(data)
                body = b"" if head.status == 200 else await connection.body(head)
            yield head, body, lines(connection.chunks())
        finally:
            connection.close()

    def close(self) -> None:
        self._closed = True
        self._end_kept()

    def renew(self) -> None:
        """No connection that was made until now is used again; what is under way goes on to its end."""
        self._renewals += 1
        self._end_kept()

    def _end_kept(self) -> None:
        for connection in self._kept:
            connection.close()
        self._kept.clear()


async def lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Lines without their ends, however they were cut into pieces; empty ones are left out."""
    rest: list[bytes] = []
    async for piece in pieces:
        *whole, last = piece.split(b"\n")
        for line in whole:
            found = b"".join((*rest, line))
            rest.clear()
            if found:
                yield found
        if last:
            rest.append(last)
    if rest:
        yield b"".join(rest)
