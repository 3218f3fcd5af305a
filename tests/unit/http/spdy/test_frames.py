"""Frames that cannot be."""

from __future__ import annotations

import struct

import pytest

from corral.http.spdy.frames import CONTROL_LIMIT, HEADERS_LIMIT, Parser, Ping, ProtocolError, Writer, control


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">HHI", 0x8002, 6, 4) + bytes(4),  # the version before
        struct.pack(">HHI", 0x8003, 6, CONTROL_LIMIT + 1),
        control(6, b"\0"),
        control(4, struct.pack(">I", 9)),
        control(1, struct.pack(">IIH", 1, 0, 0) + b"no zlib"),
        Writer().data(0, b"x"),
        Writer().syn_stream(1, [("a", "x" * HEADERS_LIMIT)]),
        Writer().syn_stream(1, [("", "x")]),
    ],
)
def test_what_is_refused(data: bytes) -> None:
    parser = Parser()
    parser.receive(data)
    with pytest.raises(ProtocolError):
        parser.next_frame()


def test_what_is_ignored() -> None:
    parser = Parser()
    parser.receive(control(10, b"credentials") + Writer.ping(1))
    assert parser.next_frame() == Ping(1)
