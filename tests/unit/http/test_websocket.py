"""Messages of a web socket: put together from frames, bounded, answered."""

from __future__ import annotations

import asyncio
import struct

import pytest

from corral.http.websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, WebSocket, unmask, write_frame

MASK = b"\1\2\3\4"


def masked(data: bytes, opcode: int = BINARY, *, last: bool = True) -> bytes:
    return bytes(((0x80 if last else 0) | opcode, 0x80 | len(data))) + MASK + unmask(data, MASK)


class Wire:
    def __init__(self, *parts: bytes) -> None:
        self._parts, self.sent, self.gone = list(parts), b"", asyncio.Event()

    async def read(self) -> bytes:
        return self._parts.pop(0) if self._parts else b""

    async def write(self, data: bytes) -> None:
        self.sent += data


async def test_a_message_of_several_frames_around_a_ping() -> None:
    wire = Wire(
        masked(b"a", last=False) + masked(b"?", PING),
        masked(b"b", CONTINUATION, last=False),
        masked(b"c", CONTINUATION),
    )
    socket = WebSocket(wire)
    assert await socket.message() == b"abc" and wire.sent == write_frame(PONG, b"?")
    assert await socket.message() is None and socket.gone.is_set()


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (masked(b"a", CONTINUATION), 1002),
        (masked(b"a", last=False) + masked(b"b"), 1002),
        (masked(b"aaaa", last=False) + masked(b"bbbb", CONTINUATION), 1009),
        (masked(b"a" * 8), 1009),
    ],
)
async def test_messages_that_cannot_be(frames: bytes, code: int) -> None:
    wire = Wire(frames)
    assert await WebSocket(wire, limit=7).message() is None
    assert wire.sent == write_frame(CLOSE, struct.pack(">H", code))


async def test_an_empty_message_is_one() -> None:
    socket = WebSocket(Wire(masked(b"") + masked(b"x")))
    assert (await socket.message(), await socket.message()) == (b"", b"x")
