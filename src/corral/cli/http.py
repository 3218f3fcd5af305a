"""HTTP/1.1 over a unix socket, as much of it as a command needs: one connection for each request.

Standard library sockets only: `http.client` alone would cost more than most commands do.
"""

from __future__ import annotations

import json
import os
import socket

from corral.cli.fail import ApiError, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    Query = Mapping[str, object]  # text, numbers, booleans, lists of text

PREFIX = "/v1.51"
MOVED = 301
LONGEST = 107  # bytes of a unix socket's path that the kernel takes
UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:,@")


def quote(word: str) -> str:
    """Percent-encoding for paths and queries.

    >>> quote("a b&ü")
    'a%20b%26%C3%BC'
    """
    return "".join(chr(b) if b in UNRESERVED else f"%{b:02X}" for b in word.encode("utf-8", "surrogateescape"))


def target(path: str, query: Query | None = None) -> str:
    """Path and query as they go on the request line; False and "" are left out.

    >>> target("/containers/json", {"all": True, "size": False, "limit": 3})
    '/containers/json?all=1&limit=3'
    """
    pairs = []
    for key, value in (query or {}).items():
        for one in value if isinstance(value, list) else [value]:
            if one is not False and one != "":
                pairs.append(f"{key}={quote('1' if one is True else str(one))}")
    return path + ("?" + "&".join(pairs) if pairs else "")


def connect(path: str) -> socket.socket:
    """A connected unix socket, however long its path: a long one is reached through its directory's descriptor."""
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        if len(os.fsencode(path)) <= LONGEST:
            link.connect(path)
            return link
        folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            link.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
        finally:
            os.close(folder)
    except BaseException:
        link.close()
        raise
    return link


class Reply:
    """An answer whose body is read as it comes. `chunks` yields what arrives; `read` is all of it."""

    def __init__(self, link: socket.socket) -> None:
        self.link = link
        self._buffer = b""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        self.status = int(head[0].split(" ", 2)[1])
        self.headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}

    def _receive(self) -> bool:
        """False at the end, which a daemon that is killed may leave as a reset."""
        try:
            data = self.link.recv(65536)
        except ConnectionResetError:
            return False
        self._buffer += data
        return bool(data)

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            if not self._receive():
                raise Failure("the daemon closed the connection before it answered")
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def leftover(self) -> bytes:
        """What came after the headers of an upgraded connection."""
        found, self._buffer = self._buffer, b""
        return found

    def chunks(self) -> Iterator[bytes]:
        if self.headers.get("transfer-encoding") == "chunked":
            while size := int(self._until(b"\r\n").split(b";")[0], 16):
                yield from self._exactly(size)
                self._until(b"\r\n")
            return
        length = self.headers.get("content-length")
        if length is not None:
            yield from self._exactly(int(length))
        elif self.status not in (101, 204, 304):
            while self._buffer or self._receive():
                yield self.leftover()

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._buffer and not self._receive():
                raise Failure("the daemon closed the connection in the middle of an answer")
            part, self._buffer = self._buffer[:size], self._buffer[size:]
            size -= len(part)
            yield part

    def lines(self) -> Iterator[bytes]:
        rest = b""
        for data in self.chunks():
            *whole, rest = (rest + data).split(b"\n")
            yield from (line for line in whole if line.strip())
        if rest.strip():
            yield rest

    def read(self) -> bytes:
        body = b"".join(self.chunks())
        self.link.close()
        return body

    def json(self) -> Any:
        return json.loads(self.read() or b"null")


class Client:
    """Requests to one daemon. Every method raises ApiError for an answer that is an error."""

    def __init__(self, path: str, start_hint: str = "corral up --detach") -> None:
        self.path = path
        self._hint = start_hint

    def _connect(self) -> socket.socket:
        try:
            return connect(self.path)
        except PermissionError:
            raise Failure(f"permission denied at unix://{self.path}: use sudo, or join the socket's group") from None
        except OSError as error:
            raise Failure(
                f"Cannot connect to Corral at unix://{self.path} ({(error.strerror or str(error)).lower()}). "
                f"Is it up? Start it: sudo {self._hint}"
            ) from None

    def send(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """The answer, whatever its status. `body` is JSON data, or an iterable of bytes that is sent in chunks."""
        lines = [f"{method} {PREFIX}{target(path, query)} HTTP/1.1", "Host: corral"]
        stream: Iterable[bytes] | None = None
        payload = b""
        if isinstance(body, dict | list):
            payload = json.dumps(body).encode()
            lines.append("Content-Type: application/json")
        elif body is not None:
            stream = body  # type: ignore[assignment]
            lines += ["Transfer-Encoding: chunked", "Content-Type: application/x-tar"]
        if stream is None and method != "GET":
            lines.append(f"Content-Length: {len(payload)}")
        lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
        link = self._connect()
        _send(link, ["\r\n".join(lines).encode() + b"\r\n\r\n" + payload])
        if stream is not None:
            _send(link, _chunks(stream))
        return Reply(link)

    def open(self, method: str, path: str, query: Query | None = None, body: object = None) -> Reply:
        """As `send`, but an error status is an ApiError."""
        return checked(self.send(method, path, query, body))

    def call(self, method: str, path: str, query: Query | None = None, body: object = None) -> Any:
        """The answer's JSON, None if it has none."""
        return self.open(method, path, query, body).json()

    def hijack(self, path: str, query: Query | None = None, body: object = None) -> Reply:
        """A POST that turns the connection into a raw stream both ways."""
        upgrade = {"Connection": "Upgrade", "Upgrade": "tcp"}
        return checked(self.send("POST", path, query, {} if body is None else body, upgrade))


def checked(reply: Reply) -> Reply:
    """The same. ApiError for an error, and where the daemon leads away: a name has made a path that is none."""
    if reply.status == MOVED:
        reply.read()
        where = reply.headers.get("location", "")
        raise ApiError(MOVED, f"a name with // or /../ in it is none (the daemon took it for the path {where})")
    if reply.status < 400:
        return reply
    body = reply.read()
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        message = body.decode("utf-8", "replace").strip() or f"status {reply.status}"
    raise ApiError(reply.status, message)


def _send(link: socket.socket, parts: Iterable[bytes]) -> None:
    """A daemon that answers early and closes ends the sending: its answer is then read. A dead one gives none."""
    for data in parts:
        try:
            link.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return


def _chunks(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Pure: a body as it is sent when nobody knows how long it is.

    >>> list(_chunks([b"ab", b"", b"c"]))
    [b'2\\r\\nab\\r\\n', b'1\\r\\nc\\r\\n', b'0\\r\\n\\r\\n']
    """
    for data in stream:
        if data:
            yield b"%x\r\n%b\r\n" % (len(data), data)
    yield b"0\r\n\r\n"
