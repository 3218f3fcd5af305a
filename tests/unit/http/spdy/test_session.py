"""Streams of a SPDY session: answers, ends, resets, windows, back-pressure."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from corral.http.message import ClientGone
from corral.http.spdy import frames
from corral.http.spdy.dictionary import DICTIONARY
from corral.http.spdy.frames import (
    INITIAL_WINDOW_SIZE,
    Data,
    Frame,
    GoAway,
    Parser,
    Ping,
    Reset,
    SynReply,
    WindowUpdate,
    Writer,
)
from corral.http.spdy.session import HIGH, Session, SpdyStream


class Client:
    """The other end, in memory: `send` bytes, see `frames` that the server has sent."""

    def __init__(self) -> None:
        self.writer, self._parser = Writer(), Parser()
        self._incoming: asyncio.Queue[bytes] = asyncio.Queue()
        self.session = Session(self)
        self.running = asyncio.create_task(self.session.run())

    async def read(self) -> bytes:
        return await self._incoming.get()

    async def write(self, data: bytes) -> None:
        self._parser.receive(data)

    def send(self, data: bytes) -> None:
        self._incoming.put_nowait(data)

    def frames(self) -> list[Frame]:
        found = []
        while (frame := self._parser.next_frame()) is not None:
            found.append(frame)
        return found

    async def open(self, number: int = 1) -> SpdyStream:
        self.send(self.writer.syn_stream(number, [("streamType", "data")]))
        stream = await self.session.accept()
        assert stream is not None and stream.headers == {"streamtype": "data"}
        assert self.frames() == [SynReply(number, {}, False)]
        return stream

    async def settle(self) -> None:
        """All that was sent has been handled, or waits for somebody."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def leave(self) -> None:
        self.send(b"")
        await self.running


def test_the_dictionary_is_the_protocols() -> None:
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2  # as it stands in the first bytes of everybody's headers


async def test_both_directions_end_on_their_own() -> None:
    client = Client()
    stream = await client.open()
    client.send(client.writer.data(1, b"in", fin=True))
    assert (await stream.read(), await stream.read()) == (b"in", b"")
    await stream.write(b"out")
    await stream.end()
    await stream.end()
    assert client.frames() == [Data(1, b"out", False), Data(1, b"", True)]
    with pytest.raises(ClientGone):
        await stream.write(b"more")
    await client.leave()


async def test_a_reset_ends_both() -> None:
    client = Client()
    stream = await client.open()
    client.send(client.writer.reset(1, frames.CANCEL))
    assert await stream.read() == b"" and stream.gone.is_set()
    with pytest.raises(ClientGone):
        await stream.write(b"x")
    other = await client.open(3)
    await other.reset()
    client.send(client.writer.data(3, b"late") + client.writer.ping(5) + client.writer.ping(6))
    await client.settle()
    assert client.frames() == [Reset(3, frames.CANCEL), Ping(5)]
    await client.leave()


async def test_data_of_streams_that_were_never_opened() -> None:
    client = Client()
    client.send(client.writer.data(9, b"x"))
    await client.settle()
    assert client.frames() == [Reset(9, frames.INVALID_STREAM)]
    await client.leave()


@pytest.mark.parametrize("number", [2, 1])
async def test_numbers_that_a_client_may_not_use(number: int) -> None:
    client = Client()
    await client.open(1)
    client.send(client.writer.syn_stream(number, []))
    await client.running
    assert client.frames() == [GoAway(1, frames.PROTOCOL_ERROR)]


async def test_who_leaves_takes_all_streams_along() -> None:
    client = Client()
    stream = await client.open()
    await client.leave()
    assert await stream.read() == b"" and stream.gone.is_set() and await client.session.accept() is None
    with pytest.raises(ClientGone):
        await stream.write(b"x")


async def test_a_client_with_windows_gets_no_more_than_it_has_room_for() -> None:
    client = Client()
    client.send(client.writer.settings({INITIAL_WINDOW_SIZE: 10}))
    stream = await client.open()
    writing = asyncio.create_task(stream.write(b"x" * 25))
    await client.settle()
    assert client.frames() == [Data(1, b"x" * 10, False)]
    client.send(client.writer.window_update(1, 9))
    await client.settle()
    assert client.frames() == [Data(1, b"x" * 9, False)]
    client.send(client.writer.settings({INITIAL_WINDOW_SIZE: 16}))  # also of streams that are open
    await writing
    assert client.frames() == [Data(1, b"x" * 6, False)]
    await client.leave()


async def test_a_client_with_windows_is_told_of_room() -> None:
    client = Client()
    client.send(client.writer.settings({INITIAL_WINDOW_SIZE: 65536}))
    stream = await client.open()
    client.send(client.writer.data(1, b"x" * 40000))
    assert len(await stream.read()) == 40000
    assert client.frames() == [WindowUpdate(1, 40000), WindowUpdate(0, 40000)]
    await client.leave()


async def test_a_waiting_write_ends_with_its_stream() -> None:
    client = Client()
    client.send(client.writer.settings({INITIAL_WINDOW_SIZE: 0}))
    stream = await client.open()
    writing = asyncio.create_task(stream.write(b"x"))
    await client.settle()
    client.send(client.writer.reset(1, frames.CANCEL))
    with pytest.raises(ClientGone):
        await writing
    await client.leave()


async def test_a_client_without_windows_is_not_read_from_while_too_much_waits() -> None:
    client = Client()
    stream = await client.open()
    client.send(client.writer.data(1, b"x" * (HIGH + 1)))
    client.send(client.writer.ping(1))
    await client.settle()
    assert client.frames() == []
    assert len(await stream.read()) == HIGH + 1
    await client.settle()
    assert client.frames() == [Ping(1)]
    await client.leave()
