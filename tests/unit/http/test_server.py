"""The HTTP server over real sockets, spoken to byte by byte."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.errors import Conflict, HostError
from corral.http.message import Answer, BodyTooLarge, Request, Response, StreamResponse
from corral.http.parser import BadRequest
from corral.http.server import Server
from tests.unit.http.talk import GET, UPGRADE, Serve, bodies, echo, hijack, talk


async def test_a_request_is_answered_and_the_connection_kept(serve: Serve) -> None:
    path = await serve(echo)
    reader, writer = await asyncio.open_unix_connection(path)
    for n in range(3):
        writer.write(b"POST /a%%20b HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n%d" % n)
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"X-Path: a" not in head and b"X-Path: /a b\r\n" in head
        assert b"Date: " in head and b"Connection" not in head
        assert await reader.readexactly(1) == b"%d" % n
    writer.close()


async def test_pipelined_requests_are_answered_in_order(serve: Serve) -> None:
    path = await serve(echo)
    one = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n%03d"
    answer = await talk(path, b"".join(one % n for n in range(20)))
    assert bodies(answer) == [b"%03d" % n for n in range(20)]


async def test_a_chunked_body_split_anywhere(serve: Serve) -> None:
    path = await serve(echo)
    message = (
        b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\nA: b\r\n\r\n"
    )
    for cut in range(1, len(message), 7):
        assert bodies(await talk(path, message[:cut], message[cut:])) == [b"hello!"]


async def test_head_has_no_body_but_its_length(serve: Serve) -> None:
    async def hello(request: Request) -> Answer:
        return Response(200, {}, b"hello")

    answer = await talk(await serve(hello), b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"Content-Length: 5" in answer and answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body(serve: Serve, status: int) -> None:
    async def nothing(request: Request) -> Answer:
        return Response(status, {}, b"ignored")

    answer = await talk(await serve(nothing), GET % b"/")
    assert answer.endswith(b"\r\n\r\n") and b"Content-Length" not in answer


async def test_http_1_0_closes(serve: Serve) -> None:
    async def pieces(request: Request) -> Answer:
        async def chunks() -> AsyncIterator[bytes]:
            yield b"a"
            yield b""
            yield b"b"

        return StreamResponse(chunks())

    answer = await talk(await serve(pieces), b"GET / HTTP/1.0\r\n\r\n", eof=False)
    assert answer.endswith(b"\r\n\r\nab") and b"chunked" not in answer


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"garbage\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
        (b"GET /\r\n\r\n", b"505"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 70000, b"431"),
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400"),
    ],
)
async def test_garbage_is_refused_and_the_connection_closed(serve: Serve, sent: bytes, status: bytes) -> None:
    answer = await talk(await serve(echo), sent, eof=False)
    assert answer.startswith(b"HTTP/1.1 " + status) and b"Connection: close" in answer


async def test_a_malformed_chunk_reaches_the_handler(serve: Serve) -> None:
    async def handler(request: Request) -> Answer:
        try:
            await request.body()
        except BadRequest as error:
            return Response(400, {}, error.reason.encode())
        return Response(200)

    answer = await talk(
        await serve(handler), b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", eof=False
    )
    assert answer.endswith(b"malformed chunked encoding") and b"Connection: close" in answer


async def test_continue_is_sent_when_the_body_is_wanted(serve: Serve) -> None:
    path = await serve(echo)
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"hi")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    writer.close()


async def test_no_continue_when_the_body_is_not_wanted(serve: Serve) -> None:
    async def refuse(request: Request) -> Answer:
        return Response(409)

    path = await serve(refuse)
    answer = await talk(
        path, b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", eof=False
    )
    assert answer.startswith(b"HTTP/1.1 409") and b"Connection: close" in answer


async def test_an_unread_body_is_dropped_and_the_connection_kept(serve: Serve) -> None:
    async def ignore(request: Request) -> Answer:
        return Response(200, {}, request.path.encode())

    one = b"POST /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000
    answer = await talk(await serve(ignore), one.replace(b"%d", b"1"), one.replace(b"%d", b"2"))
    assert bodies(answer) == [b"/1", b"/2"]


async def test_a_body_over_the_limit(serve: Serve) -> None:
    async def small(request: Request) -> Answer:
        try:
            return Response(200, {}, await request.body(limit=10))
        except BodyTooLarge as error:
            return Response(413, {}, str(error).encode())

    path = await serve(small)
    sized = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n" + b"x" * 11
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n" + b"x" * 11 + b"\r\n0\r\n\r\n"
    for message in (sized, chunked):
        assert (await talk(path, message)).startswith(b"HTTP/1.1 413")


async def test_an_upload_is_not_read_ahead_without_bound(serve: Serve) -> None:
    """A handler that does not read holds the client back."""
    go = asyncio.Event()

    async def wait(request: Request) -> Answer:
        await go.wait()
        size = 0
        async for piece in request.stream():
            size += len(piece)
        return Response(200, {}, b"%d" % size)

    path = await serve(wait)
    total = 32 * 1024 * 1024
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % total)
    sock: socket.socket = writer.get_extra_info("socket")
    await writer.drain()
    sent = 0
    loop = asyncio.get_running_loop()
    raw = socket.socket(fileno=os.dup(sock.fileno()))
    raw.setblocking(False)
    piece = bytes(65536)
    while True:
        try:
            sent += await asyncio.wait_for(loop.sock_sendall(raw, piece), 0.3) or len(piece)
        except TimeoutError:
            break
    assert sent < 4 * 1024 * 1024
    go.set()
    raw.close()
    writer.close()
    reader.feed_eof()


async def test_a_failing_handler_is_a_500(serve: Serve) -> None:
    async def fail(request: Request) -> Answer:
        raise RuntimeError("oops")

    answer = await talk(await serve(fail), GET % b"/")
    assert answer.startswith(b"HTTP/1.1 500") and b"oops" not in answer


async def test_closing_lets_answers_end_and_cuts_the_rest(tmp_path: Path) -> None:
    go = asyncio.Event()

    both, seen = asyncio.Event(), set()

    async def handler(request: Request) -> Answer:
        seen.add(request.path)
        if len(seen) == 2:
            both.set()
        if request.path == "/never":
            await asyncio.Event().wait()
        await go.wait()
        return Response(200, {}, b"done")

    server = Server(handler)
    path = str(tmp_path / "s")
    await server.listen_unix(path)
    soon = asyncio.create_task(talk(path, GET % b"/soon", eof=False))
    never = asyncio.create_task(talk(path, GET % b"/never", eof=False))
    idle_reader, _ = await asyncio.open_unix_connection(path)
    await both.wait()
    closing = asyncio.create_task(server.close(grace=60))
    assert await idle_reader.read() == b""
    go.set()
    assert (await soon).endswith(b"done")
    assert not closing.done()
    closing.cancel()
    await asyncio.gather(closing, return_exceptions=True)
    await server.close(grace=0.01)  # so little that even the quick one might not have made it
    assert (await asyncio.gather(never, return_exceptions=True))[0] in (b"",) or never.exception() is not None
    assert not os.path.exists(path)


async def test_a_served_socket_is_not_stolen_and_a_dead_one_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.close()
    first, second = Server(echo), Server(echo)
    await first.listen_unix(path, mode=0o600)
    assert os.stat(path).st_mode & 0o777 == 0o600
    with pytest.raises(Conflict, match="another process already serves"):
        await second.listen_unix(path)
    await first.close()
    (tmp_path / "f").write_text("precious")
    with pytest.raises(Conflict, match="not a socket"):
        await second.listen_unix(str(tmp_path / "f"))


async def test_tcp(serve: Serve) -> None:
    server = Server(hijack)
    port = await server.listen_tcp("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(UPGRADE + b"abc")
    writer.write_eof()
    assert (await reader.read()).endswith(b"ABCEND")
    writer.close()
    await server.close()


async def test_the_unspecified_address_of_ipv6_takes_both_families() -> None:
    server = Server(hijack)
    port = await server.listen_tcp("::", 0)
    for address in ("127.0.0.1", "::1"):
        _, writer = await asyncio.open_connection(address, port)
        writer.close()
    with pytest.raises(HostError, match=rf"listen on tcp://:::{port}"):
        await Server(hijack).listen_tcp("::", port)
    await server.close()


async def test_a_tls_greeting_is_refused_at_once(serve: Serve) -> None:
    """Clients that try HTTPS first and then HTTP wait for this answer."""
    path = await serve(echo)
    answer = await asyncio.wait_for(talk(path, bytes.fromhex("1603010200010001fc0303"), eof=False), 20)
    assert answer.startswith(b"HTTP/1.1 400 Bad Request")
