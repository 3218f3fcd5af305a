"""What a plugin answers, frame by frame."""

from __future__ import annotations

import struct

import pytest
from hpack import Encoder

from corral.cluster.kubelet.devices.calls import plan_call
from corral.cluster.kubelet.grpc_wire import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GO_AWAY,
    HEADERS,
    PADDED,
    PREFACE,
    CallFailed,
    Frame,
    Reply,
    frames,
)


def message(text: bytes) -> bytes:
    return b"\0" + struct.pack(">I", len(text)) + text


def replied(*sent: Frame) -> Reply:
    reply = Reply()
    for frame in sent:
        reply.take(frame)
    return reply


def test_an_answer_in_pieces() -> None:
    encoder = Encoder()
    first = encoder.encode({":status": "200", "content-type": "application/grpc"})
    last = encoder.encode({"grpc-status": "0"})
    reply = replied(
        Frame(HEADERS, PADDED, 1, bytes([2]) + first[:3] + b"\0\0"),
        Frame(CONTINUATION, END_HEADERS, 1, first[3:]),
        Frame(DATA, 0, 1, message(b"hello")[:7]),
        Frame(DATA, PADDED, 1, bytes([1]) + message(b"hello")[7:] + b"\0"),
        Frame(HEADERS, END_STREAM | END_HEADERS, 1, last),
    )
    assert reply.over and reply.result() == b"hello"


def test_trailers_say_what_failed() -> None:
    trailers = Encoder().encode({":status": "200", "grpc-status": "13", "grpc-message": "on%20fire: 100%25"})
    reply = replied(Frame(HEADERS, END_STREAM | END_HEADERS, 1, trailers))
    with pytest.raises(CallFailed, match=r"rpc error: code = Internal desc = on fire: 100%$"):
        reply.result()


def test_who_speaks_no_grpc() -> None:
    answer = Encoder().encode({":status": "404"})
    with pytest.raises(CallFailed, match="Unimplemented desc = unexpected HTTP status code received from server: 404"):
        replied(Frame(HEADERS, END_STREAM | END_HEADERS, 1, answer)).result()
    with pytest.raises(CallFailed, match="make no sense"):
        replied(Frame(HEADERS, END_STREAM | END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"))
    with pytest.raises(CallFailed, match="the connection is draining"):
        replied(Frame(GO_AWAY, 0, 0, bytes(8)))


def test_a_long_question_is_sent_in_frames_that_fit() -> None:
    sent = bytearray(plan_call("/s/M", b"x" * 40_000).removeprefix(PREFACE))
    data = [frame for frame in frames(sent) if frame.kind == DATA]
    assert [len(frame.payload) for frame in data] == [16384, 16384, 40_005 - 2 * 16384]
    assert [frame.flags for frame in data] == [0, 0, END_STREAM]
