"""A small HTTPS client for webhooks and extension servers: one request at a time per connection, which is kept.

httptools reads the answers, as it reads requests in the server.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import httptools

from corral.errors import CorralError
from corral.kit.verifying import verify_words

KEPT: Final = 4  # idle connections to one place
LARGEST: Final = 16 * 1024 * 1024  # bytes of an answer


class CallFailed(CorralError):
    """Nobody answered, or not in HTTP; the message is in the words that Go's client has."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes: `connect` to this host and port; `name` is what its certificate must say.

    `authorities`: PEM of who may have signed it, "" for those of the system. `identity`: path of our own certificate,
    `renewals`: how often it has been made anew: a connection shows the one that there was when it began.
    """

    connect: str
    port: int
    name: str
    authorities: str = ""
    insecure: bool = False
    identity: str = ""
    renewals: int = 0

    @property
    def host(self) -> str:
        return self.name if self.port == 443 else f"{self.name}:{self.port}"


@dataclass(slots=True)
class Reply:
    """An answer; names of headers in lower case."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class _Reader:
    """Collects what httptools finds."""

    def __init__(self) -> None:
        self.reply, self.headed, self.done, self.keep = Reply(), False, False, False
        self.parser: Any = httptools.HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self.size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self.reply.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, piece: bytes) -> None:
        self.size += len(piece)
        if self.size > LARGEST:
            raise CallFailed("the answer is too large")
        self._pieces.append(piece)

    def on_headers_complete(self) -> None:
        self.reply.status, self.headed = self.parser.get_status_code(), True

    def take(self) -> bytes:
        """What has come of the body since the last time."""
        found, self._pieces, self.size = b"".join(self._pieces), [], 0
        return found

    def on_message_complete(self) -> None:
        self.done = True
        self.keep = self.reply.headers.get("connection", "keep-alive").lower() != "close"


@lru_cache(maxsize=256)
def _context(authorities: str, insecure: bool, identity: str, renewals: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=authorities or None)
    if insecure:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if identity:
        context.load_cert_chain(identity)
    return context


def context_of(place: Place) -> ssl.SSLContext:
    """OSError (ssl.SSLError is one), ValueError for certificates that are none."""
    return _context(place.authorities, place.insecure, place.identity, place.renewals)


class HttpsClient:
    """Connections are kept per place. `close` ends the idle ones; what is under way then is not kept."""

    def __init__(self) -> None:
        self._idle: dict[Place, list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {}

    async def ask(
        self, place: Place, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Raises CallFailed. A kept connection that turns out to be closed is replaced by a new one."""
        given = {"Accept": "application/json", **(headers or {})}
        data = _request(place, method, path, body, list(given.items()))
        idle = self._idle.get(place, [])
        while idle:
            reader, writer = idle.pop()
            if writer.is_closing() or reader.at_eof():
                writer.close()
                continue
            try:
                return await self._exchange(place, reader, writer, data)
            except CallFailed:
                break
        reader, writer = await self.connect(place)
        return await self._exchange(place, reader, writer, data)

    @staticmethod
    async def connect(place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection, which is the caller's. CallFailed."""
        try:
            return await asyncio.open_connection(
                place.connect, place.port, ssl=context_of(place), server_hostname=place.name or place.connect
            )
        except ssl.SSLCertVerificationError as error:
            raise CallFailed(verify_words(error)) from None
        except ssl.SSLError as error:
            raise CallFailed(f"tls: {error.reason or error}") from None
        except ConnectionRefusedError:
            raise CallFailed(f"dial tcp {place.connect}:{place.port}: connect: connection refused") from None
        except socket.gaierror:
            raise CallFailed(f"dial tcp: lookup {place.connect}: no such host") from None
        except (OSError, ValueError) as error:
            raise CallFailed(f"dial tcp {place.connect}:{place.port}: {error}") from None

    async def _exchange(
        self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes
    ) -> Reply:
        found, kept = _Reader(), self._idle
        try:
            writer.write(data)
            await writer.drain()
            while not found.done:
                await _feed(reader, found)
            found.reply.body = found.take()
            return found.reply
        except OSError as error:
            raise CallFailed(str(error)) from None
        finally:
            idle = kept.setdefault(place, [])
            if kept is self._idle and found.keep and found.reply.status and len(idle) < KEPT:
                idle.append((reader, writer))
            else:
                writer.close()

    def close(self) -> None:
        for idle in self._idle.values():
            for _, writer in idle:
                writer.close()
        self._idle = {}


async def _feed(reader: asyncio.StreamReader, found: _Reader) -> None:
    """Reads what comes next. CallFailed."""
    try:
        piece = await reader.read(65536)
        if piece:
            found.parser.feed_data(piece)
        elif found.headed and "content-length" not in found.reply.headers:
            found.done = True  # its end is the end of the connection
        else:
            raise CallFailed("EOF")
    except httptools.HttpParserError as error:
        raise CallFailed(f"malformed HTTP response: {error}") from None
    except OSError as error:
        raise CallFailed(str(error)) from None


def _request(place: Place, method: str, path: str, body: bytes, headers: Sequence[tuple[str, str]]) -> bytes:
    given = [("Host", place.host), *headers]
    if body or method in ("PATCH", "POST", "PUT"):
        given.append(("Content-Length", str(len(body))))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body
