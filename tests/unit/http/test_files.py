"""Answers out of files, and streams of known length: over a unix socket, TCP and TLS."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.http.message import Answer, FileResponse, Request, StreamResponse
from corral.http.server import Server
from tests.unit.http.test_tls import certificate  # noqa: F401  (a fixture)

BIG = 5_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(os.urandom(BIG))
    return path


async def exchange(server: Server, sent: bytes, context: tuple[ssl.SSLContext, ssl.SSLContext] | None = None) -> bytes:
    port = await server.listen_tcp("127.0.0.1", 0, context[0] if context else None)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context[1] if context else None)
    writer.write(sent)
    await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    await server.close(grace=0.1)
    return answer


def get(path: str = "/", method: str = "GET", close: bool = True) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{'Connection: close' if close else 'A: b'}\r\n\r\n".encode()


async def test_a_file_is_sent_whole_and_in_parts(file: Path) -> None:
    opened = []

    async def handler(request: Request) -> Answer:
        opened.append(open(file, "rb"))
        if request.path == "/part":
            return FileResponse(opened[-1], 10, 20, 206, {"Content-Range": "bytes 10-29/*"})
        return FileResponse(opened[-1], 0, BIG)

    answer = await exchange(Server(handler), get("/part", close=False) + get("/", "HEAD", close=False) + get())
    data = file.read_bytes()
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 206 Partial") and b"Content-Length: 20" in head
    assert rest[:20] == data[10:30]
    head, _, rest = rest[20:].partition(b"\r\n\r\n")
    assert f"Content-Length: {BIG}".encode() in head
    assert rest.partition(b"\r\n\r\n")[2] == data
    assert [f.closed for f in opened] == [True] * 3


async def test_a_file_over_tls(file: Path, certificate: tuple[str, str]) -> None:  # noqa: F811
    async def handler(request: Request) -> Answer:
        return FileResponse(open(file, "rb"), 7, BIG - 7)

    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(*certificate)
    answer = await exchange(Server(handler), get(), (ours, ssl.create_default_context(cafile=certificate[0])))
    assert answer.partition(b"\r\n\r\n")[2] == file.read_bytes()[7:]


async def test_a_client_that_leaves_in_the_middle(file: Path) -> None:
    opened = []

    async def handler(request: Request) -> Answer:
        opened.append(open(file, "rb"))
        return FileResponse(opened[-1], 0, BIG)

    server = Server(handler)
    port = await server.listen_tcp("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    writer.write(get())
    await reader.readexactly(1000)
    writer.transport.abort()
    await server.close(grace=10)
    assert opened[0].closed and not server.connections


async def test_a_file_that_is_shorter_than_promised_breaks_off(file: Path) -> None:
    async def handler(request: Request) -> Answer:
        return FileResponse(open(file, "rb"), BIG - 10, 20)

    answer = await exchange(Server(handler), get(close=False) + get())
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(("announced", "whole"), [(6, True), (7, False)])
async def test_a_stream_of_known_length(announced: int, whole: bool) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"def"

    async def handler(request: Request) -> Answer:
        return StreamResponse(pieces(), 200, {"Content-Length": str(announced)})

    try:
        answer = await exchange(Server(handler), get(close=False) + get())
    except ConnectionResetError:
        answer = b""
    assert b"Transfer-Encoding" not in answer
    assert (answer.count(b"\r\n\r\nabcdef") == 2) == whole
