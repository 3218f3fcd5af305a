"""gRPC over one connection, from both sides, and what a peer that does not keep to it can do."""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

import pytest

from corral.http.grpc import status
from corral.http.grpc.calls import call, calling
from corral.http.grpc.flow import LARGEST, Flow
from corral.http.grpc.link import Link
from corral.http.grpc.serving import serve
from corral.http.grpc.status import GrpcError
from tests.support.wires import Wire, wires

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = struct.pack(">IBI", 0 << 8 | 4, 0, 0)
Methods = Mapping[str, Callable[[Flow], Awaitable[None]]]


async def echo(flow: Flow) -> None:
    while (message := await flow.receive()) is not None:
        await flow.send(message)


async def refuse(flow: Flow) -> None:
    await flow.receive_one()
    raise GrpcError(status.NOT_FOUND, "no such § thing\n", b"details")


async def fail(flow: Flow) -> None:
    raise ValueError("a fault of ours")


@asynccontextmanager
async def connected(methods: Methods) -> AsyncIterator[tuple[Link, Wire, asyncio.Task[None]]]:
    """(the client's link, its wire, the server's task)"""
    ours, theirs = wires()
    link = Link(theirs)

    async def answer() -> None:
        await serve(ours, methods)
        ours.end()

    serving, running = asyncio.create_task(answer()), asyncio.create_task(link.run())
    try:
        yield link, theirs, serving
    finally:
        ours.end()
        async with asyncio.timeout(60):
            await asyncio.gather(serving, running)


async def test_one_message_each_way() -> None:
    async with connected({"/a.B/Echo": echo}) as (link, _, _):
        assert await call(link, "/a.B/Echo", b"hi") == b"hi"
        assert await call(link, "/a.B/Echo", b"") == b""


async def test_more_than_all_windows_hold() -> None:
    """Of one stream, of the connection, in both directions, on several streams at once."""
    sizes = [0, 1, 70_000, 300_000, 5 << 20]
    async with connected({"/a.B/Echo": echo}) as (link, _, _):

        async def one() -> list[int]:
            found = []
            async with calling(link, "/a.B/Echo") as flow:
                for size in sizes:
                    await flow.send(b"x" * size)
                    found.append(len(await flow.receive_one()))
                await flow.end()
                assert await flow.receive() is None
                flow.check()
            return found

        assert await asyncio.gather(one(), one(), one()) == [sizes] * 3


async def test_how_calls_fail() -> None:
    async with connected({"/a.B/Refuse": refuse, "/a.B/Fail": fail}) as (link, _, _):
        for path, code, words in (
            ("/a.B/Refuse", status.NOT_FOUND, "no such § thing\n"),
            ("/a.B/Fail", status.INTERNAL, "internal error: ValueError: a fault of ours"),
            ("/a.B/No", status.UNIMPLEMENTED, "unknown method No for service a.B"),
            ("/c.D/No", status.UNIMPLEMENTED, "unknown service c.D"),
        ):
            with pytest.raises(GrpcError) as caught:
                await call(link, path, b"x")
            assert (caught.value.code, caught.value.message) == (code, words)
        with pytest.raises(GrpcError) as caught:
            await call(link, "/a.B/Refuse", b"x")
        assert caught.value.details == b"details"


async def test_a_call_that_is_given_up_ends_its_work() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(flow: Flow) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with connected({"/a.B/Wait": wait, "/a.B/Echo": echo}) as (link, _, _):
        async with calling(link, "/a.B/Wait") as flow:
            await flow.send(b"", last=True)
            await begun.wait()
        await asyncio.wait_for(ended.wait(), 60)
        assert await call(link, "/a.B/Echo", b"still there") == b"still there"


async def test_who_waits_for_a_call_that_is_given_up_learns_it() -> None:
    async with connected({"/a.B/Echo": echo}) as (link, _, _):
        async with calling(link, "/a.B/Echo") as flow:
            waiting = asyncio.create_task(flow.receive())
            await asyncio.sleep(0)
        with pytest.raises(GrpcError, match="given up"):
            await asyncio.wait_for(waiting, 60)


async def test_a_reader_that_stands_still_stops_nobody_else() -> None:
    async def still(flow: Flow) -> None:
        await asyncio.sleep(60)

    methods = {"/a.B/Still": still, "/a.B/Echo": echo}
    async with connected(methods) as (link, _, _), calling(link, "/a.B/Still") as flow:
        sending = asyncio.create_task(flow.send(b"x" * (3 << 20)))
        assert await call(link, "/a.B/Echo", b"y" * 100_000) == b"y" * 100_000
        assert not sending.done()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_many_calls_one_after_the_other_and_at_once() -> None:
    async with connected({"/a.B/Echo": echo}) as (link, _, _):
        found = await asyncio.gather(*(call(link, "/a.B/Echo", str(n).encode()) for n in range(500)))
        assert found == [str(n).encode() for n in range(500)]


async def test_the_end_of_a_connection_ends_its_calls() -> None:
    async with connected({"/a.B/Echo": echo}) as (link, wire, _), calling(link, "/a.B/Echo") as flow:
        await flow.send(b"x")
        assert await flow.receive_one() == b"x"
        waiting = asyncio.create_task(flow.receive())
        await asyncio.sleep(0)
        wire.end()
        with pytest.raises(GrpcError, match="the connection has ended"):
            await waiting
    with pytest.raises(GrpcError, match="the connection has ended"):
        await call(link, "/a.B/Echo", b"x")


async def test_long_details_take_no_time() -> None:
    """A failed build's are its Dockerfile. (As a client we take no headers of such a length, and hang up.)"""

    async def fail_at_length(flow: Flow) -> None:
        await flow.receive_one()
        raise GrpcError(status.UNKNOWN, "no", bytes(300_000))

    start = time.process_time()
    async with connected({"/a.B/Fail": fail_at_length}) as (link, _, _):
        with pytest.raises(GrpcError, match="the connection has ended"):
            await call(link, "/a.B/Fail", b"")
    assert time.process_time() - start < 2


HOSTILE = {
    "no HTTP/2": b"GET / HTTP/1.1\r\n\r\n",
    "a frame that is too large": PREFACE + SETTINGS + struct.pack(">IBI", 100_000 << 8 | 0, 0, 1) + bytes(100_000),
    "data of no stream": PREFACE + SETTINGS + struct.pack(">IBI", 3 << 8 | 0, 0, 1) + b"abc",
    "headers that make no sense": PREFACE + SETTINGS + struct.pack(">IBI", 2 << 8 | 1, 4, 1) + b"\xff\xff",
    "headers that are no text": PREFACE + SETTINGS + struct.pack(">IBI", 7 << 8 | 1, 5, 1) + b"\x83\x86\x04\x03/\xff/",
    "headers without an end": PREFACE
    + SETTINGS
    + struct.pack(">IBI", 1 << 8 | 1, 0, 1)
    + b"\x82"
    + (struct.pack(">IBI", 16384 << 8 | 9, 0, 1) + bytes(16384)) * 80,
    "a window of nothing": PREFACE + SETTINGS + struct.pack(">IBI", 4 << 8 | 8, 0, 0) + bytes(4),
    "streams that go backwards": PREFACE
    + SETTINGS
    + b"".join(struct.pack(">IBI", 1 << 8 | 1, 5, number) + b"\x82" for number in (5, 3)),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_who_breaks_the_protocol_is_left(name: str) -> None:
    ours, theirs = wires()
    theirs.other.feed(HOSTILE[name])
    async with asyncio.timeout(60):
        await serve(ours, {"/a.B/Echo": echo})


async def test_a_server_that_calls_is_left() -> None:
    ours, theirs = wires()
    theirs.other.feed(SETTINGS + struct.pack(">IBI", 7 << 8 | 1, 5, 2) + b"\x83\x86\x04\x03/x/")
    async with asyncio.timeout(60):
        await Link(ours).run()


async def test_headers_that_are_too_many() -> None:
    async with connected({"/a.B/Echo": echo}) as (link, _, serving):
        with pytest.raises(GrpcError):
            await call(link, "/a.B/Echo", b"x", {"key": ["v" * 1000] * 100})
        await asyncio.wait_for(serving, 60)


@pytest.mark.parametrize(
    ("data", "code"),
    [(struct.pack(">BI", 1, 3) + b"abc", status.UNIMPLEMENTED), (struct.pack(">BI", 0, LARGEST + 1), 8)],
)
async def test_messages_that_are_refused(data: bytes, code: int) -> None:
    async with connected({"/a.B/Echo": echo}) as (link, _, _), calling(link, "/a.B/Echo") as flow:
        link._h2.send_data(flow.number, data)
        await link.flush()
        with pytest.raises(GrpcError) as caught:
            await flow.receive()
            flow.check()
        assert caught.value.code == code
