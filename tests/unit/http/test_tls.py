"""TLS: half-close, client certificates, and what is no TLS at all."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, ClassVar
from weakref import WeakSet

import pytest

from corral.http.message import Answer, Hijack, Request, Response
from corral.http.server import Limits, Server
from corral.http.stream import Stream
from tests.support.tools import needs
from tests.support.wait import eventually_async

pytestmark = needs("openssl")
LARGE = 3 << 20


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """(certificate, key) of one who is the authority, the server and the client."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    new = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*new, *name, "-out", cert, "-keyout", key], check=True, capture_output=True)
    return cert, key


def server_context(certificate: tuple[str, str], *, mutual: bool = True) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    if mutual:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate[0])
    return context


def client_context(certificate: tuple[str, str], *, known: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=certificate[0])
    if known:
        context.load_cert_chain(*certificate)
    return context


async def handler(request: Request) -> Answer:
    if request.path == "/upper":
        return Hijack(upper, 101, {"Connection": "Upgrade", "Upgrade": "tcp"}, "UPGRADED")
    if request.path == "/large":
        return Response(200, {}, b"x" * LARGE)
    return Response(200, {}, await request.body() or b"hello")


async def upper(stream: Stream) -> None:
    data = b""
    while piece := await stream.read():
        data += piece
    await stream.write(data.upper() + b"!")


@asynccontextmanager
async def serving(certificate: tuple[str, str], limits: Limits) -> AsyncIterator[int]:
    server = Server(handler, limits)
    yield await server.listen_tcp("127.0.0.1", 0, server_context(certificate))
    await server.close(grace=0.1)


@pytest.fixture
async def port(certificate: tuple[str, str]) -> AsyncIterator[int]:
    async with serving(certificate, Limits()) as port:
        yield port


def talk(port: int, context: ssl.SSLContext, sent: bytes, *, goodbye: bool) -> bytes:
    """Sends all, ends its direction (with close_notify, or just so), reads to the end. Blocks."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:

        def step(function: object, *args: object) -> object:
            while True:
                try:
                    return function(*args)  # type: ignore[operator]
                except ssl.SSLWantReadError:
                    if outgoing.pending:
                        sock.sendall(outgoing.read())
                    data = sock.recv(65536)
                    incoming.write(data) if data else incoming.write_eof()

        step(tls.do_handshake)
        tls.write(sent)
        if goodbye:
            with suppress(ssl.SSLWantReadError):
                tls.unwrap()
        sock.sendall(outgoing.read())
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ssl.SSLZeroReturnError):
            while data := step(tls.read, 65536):
                answer += data  # type: ignore[operator]
        return answer


@pytest.mark.parametrize("goodbye", [True, False])
async def test_a_half_closed_stream_still_gets_its_answer(
    port: int, certificate: tuple[str, str], goodbye: bool
) -> None:
    sent = b"POST /upper HTTP/1.1\r\nHost: x\r\n\r\n" + b"abc" * 50000
    answer = await asyncio.to_thread(talk, port, client_context(certificate), sent, goodbye=goodbye)
    assert answer.endswith(b"\r\n\r\n" + b"ABC" * 50000 + b"!")


async def test_plain_requests(port: int, certificate: tuple[str, str]) -> None:
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_context(certificate), server_hostname="localhost"
    )
    for size in (0, 5, 300_000):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(size or 5) == (b"x" * size or b"hello")
    writer.close()


async def test_who_has_no_certificate_is_refused(
    port: int, certificate: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "corral.http")
    context = client_context(certificate, known=False)
    with pytest.raises((ssl.SSLError, ConnectionError)):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        if not await reader.read():
            raise ConnectionError
    assert "TLS handshake with 127.0.0.1:" in caplog.text, "the server's owner learns who was refused"
    assert "peer did not return a certificate" in caplog.text, "and why"


async def test_plain_http_is_told_so(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Client sent an HTTP request to an HTTPS server." in await reader.read()
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01\x00\xff", b"\x00" * 50])
async def test_a_handshake_must_come_in_time(
    certificate: tuple[str, str], sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "corral.http")
    async with serving(certificate, Limits(head_seconds=0.5)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(reader.read(), 60)
            raise ConnectionError
        writer.close()
    assert "TLS handshake with 127.0.0.1:" in caplog.text


class Watched(ssl.SSLObject):
    """Those that there are, and how much each was given to encrypt at once."""

    alive: ClassVar[WeakSet[Watched]] = WeakSet()
    most: ClassVar[int] = 0

    def write(self, data: Any) -> int:
        Watched.alive.add(self)
        Watched.most = max(Watched.most, len(data))
        return super().write(data)


async def test_openssl_keeps_no_room_for_the_largest_answer(certificate: tuple[str, str]) -> None:
    """Neither while the connection goes on nor, until somebody collects garbage, when it has ended."""
    context = server_context(certificate)
    context.sslobject_class = Watched
    server = Server(handler, Limits())
    port = await server.listen_tcp("127.0.0.1", 0, context)
    gc.disable()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client_context(certificate))
        writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.readexactly(LARGE) == b"x" * LARGE
        assert len(Watched.alive) == 1 and Watched.most <= 1 << 18
        writer.close()
        await eventually_async(lambda: not Watched.alive, "what belonged to the connection is gone")
    finally:
        gc.enable()
        await server.close(grace=0.1)
