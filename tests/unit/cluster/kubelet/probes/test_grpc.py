"""gRPC's health protocol against a server that speaks as much HTTP/2 as the protocol needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hpack import Encoder

from corral.cluster.kubelet import grpc_wire
from corral.cluster.kubelet.grpc_wire import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    PING,
    RESET,
    SETTINGS,
    Frame,
)
from corral.cluster.kubelet.probes import grpc


@asynccontextmanager
async def server(*answers: Frame, seen: list[Frame] | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(len(grpc_wire.PREFACE)) == grpc_wire.PREFACE
        writer.write(grpc_wire.encode(Frame(SETTINGS, 0, 0, b"")))
        buffer, done = bytearray(), False
        while chunk := await reader.read(4096):
            buffer += chunk
            for frame in grpc_wire.frames(buffer):
                if seen is not None:
                    seen.append(frame)
                if frame.kind == DATA and frame.flags & END_STREAM and not done:
                    done = True
                    for answer in answers:
                        writer.write(grpc_wire.encode(answer))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


def message(status: int) -> bytes:
    return b"\0\0\0\0" + (bytes([2, 8, status]) if status else bytes([0]))


def headers(*fields: tuple[str, str], last: bool = False) -> Frame:
    return Frame(HEADERS, END_HEADERS | (END_STREAM if last else 0), 1, Encoder().encode(fields))


TRAILERS = headers(("grpc-status", "0"), last=True)


@pytest.mark.parametrize(
    ("status", "good", "words"),
    [(1, True, "service healthy"), (2, False, "NOT_SERVING"), (0, False, "UNKNOWN"), (3, False, "SERVICE_UNKNOWN")],
)
async def test_statuses(status: int, good: bool, words: str) -> None:
    answers = [
        headers((":status", "200"), ("content-type", "application/grpc")),
        Frame(DATA, 0, 1, message(status)),
        TRAILERS,
    ]
    async with server(*answers) as port:
        answer = await grpc.ask("127.0.0.1", port, "", 5)
    assert answer.good is good and words in answer.output


async def test_the_request_and_what_is_acknowledged() -> None:
    seen: list[Frame] = []
    answers = [Frame(PING, 0, 0, b"12345678"), Frame(DATA, PADDED, 1, b"\2" + message(1) + b"\0\0"), TRAILERS]
    async with server(*answers, seen=seen) as port:
        assert (await grpc.ask("127.0.0.1", port, "my.Service", 5)).good
    headers, data = (next(one for one in seen if one.kind == kind) for kind in (HEADERS, DATA))
    assert grpc.PATH.encode() in headers.payload and b"application/grpc" in headers.payload
    assert data.payload == b"\0\0\0\0\x0c\x0a\x0amy.Service"


def ended(*fields: tuple[str, str]) -> Frame:
    return headers((":status", "200"), ("content-type", "application/grpc"), *fields, last=True)


HEALTH = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): "
FAILED = "error: health rpc probe failed: rpc error: code = "


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ended(("grpc-status", "5"), ("grpc-message", "unknown service")), f"{FAILED}NotFound desc = unknown service"),
        (
            ended(("grpc-status", "12"), ("grpc-message", "unknown service grpc.health.v1.Health")),
            f"{HEALTH}unknown service grpc.health.v1.Health",
        ),
        (ended(("grpc-status", "99")), f"{FAILED}Code(99) desc = "),
        (
            headers((":status", "404"), ("content-type", "text/plain"), last=True),
            f"{HEALTH}unexpected HTTP status code received from server: 404 (Not Found); "
            'transport: received unexpected content-type "text/plain"',
        ),
        (
            Frame(RESET, 0, 1, bytes([0, 0, 0, 8])),
            f"{FAILED}Canceled desc = stream terminated by RST_STREAM with error code: CANCEL",
        ),
    ],
)
async def test_what_a_server_says_instead_in_upstreams_words(answer: Frame, words: str) -> None:
    async with server(answer) as port:
        found = await grpc.ask("127.0.0.1", port, "", 5)
    assert (found.good, found.output) == (False, words)


async def test_nobody_there_and_nobody_who_speaks_http2() -> None:
    """gRPC tries again for as long as it may, so the time is what ran out."""
    said = 'timeout: failed to connect service "127.0.0.1:{}" within {}: context deadline exceeded'
    answer = await grpc.ask("127.0.0.1", 1, "", 1)
    assert not answer.good and answer.output == said.format(1, "1s")

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    listening = await asyncio.start_server(refuse, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    answer = await grpc.ask("127.0.0.1", port, "", 1)
    listening.close()
    assert not answer.good and answer.output == said.format(port, "1s")


async def test_a_server_that_comes_within_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, usual = asyncio.Event(), asyncio.open_connection

    async def connect(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if not tried.is_set():
            tried.set()
            raise ConnectionRefusedError(111, "Connection refused")
        return await usual(host, port)

    monkeypatch.setattr(grpc, "AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(asyncio, "open_connection", connect)
    async with server(headers((":status", "200")), Frame(DATA, 0, 1, message(1)), TRAILERS) as port:
        assert (await grpc.ask("127.0.0.1", port, "", 30)).good


async def test_a_server_that_takes_the_call_and_does_not_answer() -> None:
    async with server() as port:
        answer = await grpc.ask("127.0.0.1", port, "", 2)
    assert not answer.good and answer.output == "timeout: health rpc did not complete within 2s"


async def test_a_server_that_never_ends_what_it_says() -> None:
    more = Frame(grpc_wire.CONTINUATION, 0, 1, bytes(16384))
    async with server(Frame(HEADERS, 0, 1, b""), *[more] * 100) as port:
        answer = await grpc.ask("127.0.0.1", port, "", 30)
    assert answer.output == f"{FAILED}ResourceExhausted desc = the answer has more than {1 << 20} bytes"
