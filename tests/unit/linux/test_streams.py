"""Bytes between the event loop and threads: order, back-pressure, errors, and going away."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest

from corral.linux.streams import Ended, Inbox, ReadAhead, consume, produce
from tests.support.tars import stream

PIECES = [bytes([n % 256]) * 10 for n in range(1000)]


async def test_consume_gives_all_in_order() -> None:
    assert await consume(stream(PIECES), lambda inbox: b"".join(inbox)) == b"".join(PIECES)


async def test_consume_stops_reading_when_the_work_is_done() -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1
            yield b"x"
            await asyncio.sleep(0)

    assert await consume(endless(), lambda inbox: next(iter(inbox))) == b"x"
    assert read < 1000


async def test_consume_raises_what_the_work_raises_while_the_stream_hangs() -> None:
    async def hanging() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    def work(inbox: Inbox) -> None:
        with ReadAhead(inbox, inbox.leave) as chunks:
            next(chunks)
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await asyncio.wait_for(consume(hanging(), work), 10)


async def test_consume_tells_the_work_of_a_broken_stream() -> None:
    seen: list[BaseException] = []

    async def broken() -> AsyncIterator[bytes]:
        yield b"x"
        raise ConnectionResetError("gone")

    def work(inbox: Inbox) -> None:
        try:
            list(inbox)
        except ConnectionResetError as error:
            seen.append(error)
            raise

    with pytest.raises(ConnectionResetError, match="gone"):
        await consume(broken(), work)
    assert len(seen) == 1


async def test_a_cancelled_consume_waits_for_its_thread() -> None:
    started, cleaned = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    async def hanging() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    def work(inbox: Inbox) -> None:
        try:
            for _ in inbox:
                loop.call_soon_threadsafe(started.set)
        finally:
            cleaned.set()

    task = asyncio.create_task(consume(hanging(), work))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cleaned.is_set()


async def test_produce_gives_all_in_order() -> None:
    def work(write: Callable[[bytes], None]) -> None:
        for piece in PIECES:
            write(piece)

    assert b"".join([piece async for piece in produce(work)]) == b"".join(PIECES)


async def test_produce_raises_after_what_was_written() -> None:
    def work(write: Callable[[bytes], None]) -> None:
        write(b"1")
        raise ValueError("broken")

    got = []
    with pytest.raises(ValueError, match="broken"):
        async for piece in produce(work):
            got.append(piece)
    assert got == [b"1"]


async def test_a_producer_nobody_reads_any_more_ends() -> None:
    ended: list[str] = []

    def work(write: Callable[[bytes], None]) -> None:
        try:
            while True:
                write(b"x")
        except Ended:
            ended.append("yes")
            raise

    pieces = produce(work)
    await anext(pieces)
    await pieces.aclose()
    assert ended == ["yes"]


async def test_a_producer_waits_for_its_reader() -> None:
    written = 0

    def work(write: Callable[[bytes], None]) -> None:
        nonlocal written
        for _ in range(1000):
            write(b"x")
            written += 1

    pieces = produce(work)
    await anext(pieces)
    await asyncio.to_thread(lambda: None)
    assert written < 100
    assert len([p async for p in pieces]) == 999


def test_read_ahead_raises_where_it_is_read() -> None:
    def source() -> Iterator[bytes]:
        yield b"1"
        raise ValueError("broken")

    with ReadAhead(source()) as chunks:
        assert next(chunks) == b"1"
        with pytest.raises(ValueError, match="broken"):
            next(chunks)


def test_leaving_read_ahead_early_ends_its_thread() -> None:
    before = set(threading.enumerate())
    with ReadAhead(iter(lambda: b"x", b"")) as chunks:
        next(chunks)
    assert not set(threading.enumerate()) - before


async def test_a_stream_that_breaks_while_its_reader_is_cancelled_is_no_error_of_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    begun = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        begun.set()
        try:
            yield await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            raise ValueError("the connection has ended") from None

    reading = asyncio.create_task(consume(chunks(), lambda inbox: b"".join(inbox)))
    await begun.wait()
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    del reading
    gc.collect()
    assert "never retrieved" not in caplog.text
