"""Answers and connections that take their time: streams, hijacks, slow and absent clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from corral.http.message import Answer, ClientGone, Hijack, Request, Response, StreamResponse
from corral.http.stream import Stream
from tests.unit.http.talk import GET, UPGRADE, Serve, echo, hijack, talk


async def ticking(tick: asyncio.Queue[bytes], closed: asyncio.Event) -> AsyncIterator[bytes]:
    """A piece with each tick, for ever; `closed` is set when nobody wants more."""
    try:
        while True:
            yield await tick.get()
    finally:
        closed.set()


async def test_a_stream_flows_piece_by_piece_and_ends_with_its_client(serve: Serve) -> None:
    closed, tick = asyncio.Event(), asyncio.Queue[bytes]()

    async def handler(request: Request) -> Answer:
        return StreamResponse(ticking(tick, closed), 200, {"Content-Type": "text/plain"})

    reader, writer = await asyncio.open_unix_connection(await serve(handler))
    writer.write(GET % b"/")
    assert b"Transfer-Encoding: chunked" in await reader.readuntil(b"\r\n\r\n")  # before the first piece
    tick.put_nowait(b"one")
    assert await reader.readexactly(8) == b"3\r\none\r\n"
    writer.close()
    await asyncio.wait_for(closed.wait(), 20)


async def test_a_half_closed_client_still_gets_its_stream_until_it_leaves(serve: Serve) -> None:
    closed, tick = asyncio.Event(), asyncio.Queue[bytes]()

    async def handler(request: Request) -> Answer:
        return StreamResponse(ticking(tick, closed))

    reader, writer = await asyncio.open_unix_connection(await serve(handler))
    writer.write(GET % b"/")
    writer.write_eof()
    await reader.readuntil(b"\r\n\r\n")
    tick.put_nowait(b"one")
    assert await reader.readexactly(8) == b"3\r\none\r\n"
    assert not closed.is_set()
    writer.transport.abort()
    await asyncio.wait_for(closed.wait(), 20)


async def test_a_stream_that_breaks_off_has_no_end(serve: Serve) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"one"
        raise RuntimeError("disk on fire")

    async def handler(request: Request) -> Answer:
        return StreamResponse(chunks())

    reader, writer = await asyncio.open_unix_connection(await serve(handler))
    writer.write(GET % b"/")
    with pytest.raises(asyncio.IncompleteReadError):
        await reader.readuntil(b"0\r\n\r\n")
    writer.close()


async def test_a_slow_reader_holds_the_stream_back(serve: Serve) -> None:
    produced = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal produced
        while True:
            produced += 65536
            yield bytes(65536)

    async def handler(request: Request) -> Answer:
        return StreamResponse(chunks())

    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, await serve(handler))
    await loop.sock_sendall(sock, GET % b"/")
    last = -1
    while last != produced:
        last = produced
        await asyncio.sleep(0.05)  # the producer comes to rest
    assert produced < 2 * 1024 * 1024
    sock.close()


async def test_a_long_answer_lets_others_be_served_in_between(serve: Serve) -> None:
    """Ten thousand small pieces that are there at once, to a client that reads as fast as they come."""
    turns = 0

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b"x" * 100

    async def handler(request: Request) -> Answer:
        return StreamResponse(chunks())

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    answer = await talk(await serve(handler), GET % b"/")
    counting.cancel()
    assert len(answer) > 1_000_000 and turns >= 10


async def test_the_handler_ends_its_work_though_the_client_has_left(serve: Serve) -> None:
    started, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()
    requests: list[Request] = []

    async def handler(request: Request) -> Answer:
        requests.append(request)
        started.set()
        await go.wait()
        done.set()
        return Response(200)

    _, writer = await asyncio.open_unix_connection(await serve(handler))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
    await started.wait()
    writer.transport.abort()
    await asyncio.wait_for(requests[0].disconnected.wait(), 20)
    go.set()
    await asyncio.wait_for(done.wait(), 20)


async def test_a_body_that_never_comes(serve: Serve) -> None:
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def handler(request: Request) -> Answer:
        try:
            await request.body()
        except ClientGone:
            outcome.set_result("gone")
            raise
        return Response(200)

    await talk(await serve(handler), b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc")
    assert await asyncio.wait_for(outcome, 20) == "gone"


async def test_a_hijacked_connection_gets_what_came_with_the_request_and_half_closes(serve: Serve) -> None:
    answer = await talk(await serve(hijack), UPGRADE + b"typed ahead, ", b"then more")
    assert answer == b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\nTYPED AHEAD, THEN MOREEND"


async def test_a_hijack_without_upgrade(serve: Serve) -> None:
    sent = b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await talk(await serve(hijack), sent + b"GET / HTTP/1.1\r\n")
    assert answer.endswith(b"\r\n\r\nGET / HTTP/1.1\r\nEND")


async def test_a_stream_learns_that_its_client_has_left_after_half_closing(serve: Serve) -> None:
    gone = asyncio.Event()

    async def run(stream: Stream) -> None:
        assert await stream.read() == b""
        assert not stream.gone.is_set()
        await stream.write(b"still there")
        await stream.gone.wait()
        with pytest.raises(ClientGone):
            await stream.write(b"x")
        gone.set()

    async def handler(request: Request) -> Answer:
        return Hijack(run, 200)

    reader, writer = await asyncio.open_unix_connection(await serve(handler))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
    writer.write_eof()
    await reader.readuntil(b"still there")
    writer.transport.abort()
    await asyncio.wait_for(gone.wait(), 20)


async def test_the_end_of_a_stream_is_no_reset_though_input_was_left_unread(serve: Serve) -> None:
    async def run(stream: Stream) -> None:
        await stream.write(b"bye")

    async def handler(request: Request) -> Answer:
        return Hijack(run, 200)

    reader, writer = await asyncio.open_unix_connection(await serve(handler))
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 300000)
    assert (await reader.read()).endswith(b"bye")
    writer.close()


async def test_a_head_must_come_in_time_but_idling_is_free(serve: Serve) -> None:
    path = await serve(echo, head_seconds=0.05)
    idle_reader, idle_writer = await asyncio.open_unix_connection(path)
    slow_reader, slow_writer = await asyncio.open_unix_connection(path)
    slow_writer.write(b"GET / HT")
    with pytest.raises(ConnectionResetError):
        if await asyncio.wait_for(slow_reader.read(), 20) == b"":
            raise ConnectionResetError
    idle_writer.write(GET % b"/")
    assert (await idle_reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    idle_writer.close()
    slow_writer.close()
