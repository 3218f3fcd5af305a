"""gRPC's health protocol against a server that speaks as much HTTP/2 as the protocol needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from corral.cluster.kubelet.probes import grpc
from corral.cluster.kubelet.probes.grpc import DATA, END_HEADERS, END_STREAM, HEADERS, PING, SETTINGS, Frame


@asynccontextmanager
async def server(*answers: Frame, seen: list[Frame] | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(grpc.PREFACE)) == grpc.PREFACE
        writer.write(grpc.encode(Frame(SETTINGS, 0, 0, b"")))
        buffer, done = bytearray(), False
        while chunk := await reader.read(4096):
            buffer += chunk
            for frame in grpc.frames(buffer):
                if seen is not None:
                    seen.append(frame)
                if frame.kind == DATA and frame.flags & END_STREAM and not done:
                    done = True
                    for answer in answers:
                        writer.write(grpc.encode(answer))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


def message(status: int) -> bytes:
    return b"\0\0\0\0" + (bytes([2, 8, status]) if status else bytes([0]))


TRAILERS = Frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x88")


@pytest.mark.parametrize(
    ("status", "good", "words"),
    [(1, True, "service healthy"), (2, False, "NOT_SERVING"), (0, False, "UNKNOWN"), (3, False, "SERVICE_UNKNOWN")],
)
async def test_statuses(status: int, good: bool, words: str) -> None:
    answers = [Frame(HEADERS, END_HEADERS, 1, b"\x88"), Frame(DATA, 0, 1, message(status)), TRAILERS]
    async with server(*answers) as port:
        answer = await grpc.ask("127.0.0.1", port, "", 5)
    assert answer.good is good and words in answer.output


async def test_the_request_and_what_is_acknowledged() -> None:
    seen: list[Frame] = []
    answers = [Frame(PING, 0, 0, b"12345678"), Frame(DATA, grpc.PADDED, 1, b"\2" + message(1) + b"\0\0"), TRAILERS]
    async with server(*answers, seen=seen) as port:
        assert (await grpc.ask("127.0.0.1", port, "my.Service", 5)).good
    headers, data = (next(one for one in seen if one.kind == kind) for kind in (HEADERS, DATA))
    assert grpc.PATH.encode() in headers.payload and b"application/grpc" in headers.payload
    assert data.payload == b"\0\0\0\0\x0c\x0a\x0amy.Service"


async def test_a_server_that_does_not_know_the_protocol() -> None:
    async with server(TRAILERS) as port:
        answer = await grpc.ask("127.0.0.1", port, "", 5)
    assert not answer.good and "does not implement the grpc health protocol" in answer.output


async def test_nobody_there_and_nobody_who_answers() -> None:
    answer = await grpc.ask("127.0.0.1", 1, "", 5)
    assert not answer.good and "connection refused" in answer.output
    async with server() as port:
        answer = await grpc.ask("127.0.0.1", port, "", 0.05)
    assert not answer.good and "within 0.05s" in answer.output
