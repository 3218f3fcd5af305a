"""Attaching through Docker's API, as bytes: heads, frames, half closes, detach keys, web sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from corral.http.websocket import BINARY, CLOSE, TEXT, unmask
from tests.contract.docker.wire import UPGRADE, Answer, Api, frames, now_text, until


async def attach(
    api: Api, id: str, query: str, *, upgrade: bool = True, version: str = "v1.51"
) -> tuple[Any, Any, str]:
    reader, writer = await api.connect()
    extra = UPGRADE if upgrade else ""
    writer.write(f"POST /{version}/containers/{id}/attach?{query} HTTP/1.1\r\nHost: d\r\n{extra}\r\n".encode())
    head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)).decode()
    return reader, writer, head


@pytest.mark.parametrize(
    ("version", "tty", "upgrade", "head"),
    [
        ("v1.51", False, True, "101 UPGRADED|multiplexed"),
        ("v1.41", False, True, "101 UPGRADED|raw"),
        ("v1.51", True, True, "101 UPGRADED|raw"),
        ("v1.51", False, False, "200 OK|raw"),
    ],
)
async def test_the_head_of_an_attach(api: Api, version: str, tty: bool, upgrade: bool, head: str) -> None:
    id = await api.container("echo", "hi", start=False, tty=tty)
    reader, writer, got = await attach(api, id, "stream=1&stdout=1&stderr=1", upgrade=upgrade, version=version)
    status, _, kind = head.partition("|")
    lines = [f"HTTP/1.1 {status}", f"Content-Type: application/vnd.docker.{kind}-stream"]
    assert got == "\r\n".join([*lines, *(["Connection: Upgrade", "Upgrade: tcp"] if upgrade else []), "", ""])
    await api.engine.containers.start(id)
    data = await asyncio.wait_for(reader.read(), 60)
    assert data == b"hi\n" if tty else frames(data) == [(1, b"hi\n")]
    writer.close()


async def test_streams_are_told_apart_and_chosen(api: Api) -> None:
    for query, expected in (("stdout=1&stderr=1", [(1, b"out\n"), (2, b"err\n")]), ("stderr=1", [(2, b"err\n")])):
        id = await api.container("both", start=False)
        reader, writer, _ = await attach(api, id, f"stream=1&{query}")
        await api.engine.containers.start(id)
        assert frames(await asyncio.wait_for(reader.read(), 60)) == expected
        writer.close()


async def test_the_half_close_ends_stdin_and_what_came_with_the_head_counts(api: Api) -> None:
    id = await api.container("cat", stdin_open=True, stdin_once=True)
    head = f"POST /containers/{id}/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n"
    answer = await api.talk(head.encode() + b"early ")
    assert frames(answer.partition(b"\r\n\r\n")[2]) == [(1, b"early ")]
    assert api.engine.containers.get(id).state.status == "exited"


async def test_without_stdin_once_the_half_close_ends_only_the_session(api: Api) -> None:
    id = await api.container("cat", stdin_open=True)
    reader, writer, _ = await attach(api, id, "stream=1&stdin=1&stdout=1")
    writer.write(b"hello")
    assert frames(await reader.readexactly(13)) == [(1, b"hello")]
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 60) == b""
    assert api.engine.containers.get(id).state.running
    writer.close()


@pytest.mark.parametrize(("query", "typed"), [("", b"\x10\x11"), ("&detachKeys=ctrl-x,q", b"\x18q")])
async def test_detach_keys_end_the_session_not_the_container(api: Api, query: str, typed: bytes) -> None:
    id = await api.container("sh", tty=True, stdin_open=True)
    reader, writer, _ = await attach(api, id, f"stream=1&stdin=1&stdout=1&logs=1{query}")
    assert await reader.readexactly(2) == b"$ "
    writer.write(b"ab" + typed[:1])
    assert await reader.readexactly(2) == b"ab"
    writer.write(typed[1:])
    assert await asyncio.wait_for(reader.read(), 60) == b""
    assert api.engine.containers.get(id).state.running
    writer.close()
    assert b'"detach"' in (await api.ask("GET", f"/events?since=1&until={now_text()}")).body


async def test_keys_are_not_looked_for_without_a_terminal(api: Api) -> None:
    id = await api.container("cat", stdin_open=True, stdin_once=True)
    reader, writer, _ = await attach(api, id, "stream=1&stdin=1&stdout=1")
    writer.write(b"\x10\x11")
    assert frames(await reader.readexactly(10)) == [(1, b"\x10\x11")]
    writer.close()


async def test_errors_of_an_attach_have_their_status(api: Api) -> None:
    id = await api.container("sleep")
    api.engine.containers.get(id).state.status = "paused"
    for path, status in ((f"/containers/{id}/attach?stream=1", 409), ("/containers/nope/attach", 404)):
        sent = f"POST {path} HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n".encode()
        assert Answer(await api.talk(sent)).status == status
    answer = await api.ask("POST", f"/containers/{id}/attach?detachKeys=ctrl-1")
    assert (answer.status, answer.body) == (400, b"Invalid detach keys (ctrl-1) provided\r\n")


async def test_logs_alone_replay_and_end(api: Api) -> None:
    id = await api.container("echo", "hi")
    await api.engine.containers.waiter(id)
    sent = f"POST /containers/{id}/attach?logs=1&stdout=1 HTTP/1.1\r\nHost: d\r\n{UPGRADE}\r\n".encode()
    assert frames((await api.talk(sent)).partition(b"\r\n\r\n")[2]) == [(1, b"hi\n")]


async def test_a_client_that_leaves_lets_go_of_the_console(api: Api) -> None:
    id = await api.container("cat", stdin_open=True, stdin_once=True)
    reader, writer, _ = await attach(api, id, "stream=1&stdout=1")
    process = api.engine.containers.live(id).process
    (client,) = process.clients
    writer.transport.abort()
    await asyncio.wait_for(until(lambda: client.closed), 60)
    assert api.engine.containers.get(id).state.running
    reader.feed_eof()


async def test_a_client_that_does_not_read_stops_nobody(api: Api) -> None:
    """The container says 40 MB to a client that reads nothing: it ends in no time, and memory stays flat."""
    id = await api.container("flood", "40000", start=False)
    reader, writer, _ = await attach(api, id, "stream=1&stdout=1")
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    await api.engine.containers.start(id)
    result = await asyncio.wait_for(api.engine.containers.waiter(id), 30)
    assert result.exit_code == 0
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    data = await asyncio.wait_for(reader.read(), 30)
    assert sum(len(piece) for _, piece in frames(data)) == 40000 * 1024
    writer.close()


def mask(opcode: int, payload: bytes) -> bytes:
    key = b"abcd"
    return bytes((0x80 | opcode, 0x80 | len(payload))) + key + unmask(payload, key)


@pytest.mark.parametrize(("version", "opcode"), [("v1.51", BINARY), ("v1.27", TEXT)])
async def test_attach_through_a_web_socket(api: Api, version: str, opcode: int) -> None:
    id = await api.container("cat", stdin_open=True, stdin_once=True)
    reader, writer = await api.connect()
    head = (
        f"GET /{version}/containers/{id}/attach/ws?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\n"
        "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.encode() + mask(BINARY, b"hello"))
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer
    assert await reader.readexactly(7) == bytes((0x80 | opcode, 5)) + b"hello"
    writer.write(mask(9, b"?"))
    assert await reader.readexactly(3) == b"\x8a\x01?"
    writer.write(mask(CLOSE, b"\x03\xe8"))
    assert (await asyncio.wait_for(reader.read(), 60)).startswith(b"\x88\x02\x03\xe8")
    writer.close()


async def test_the_end_of_the_container_closes_the_web_socket(api: Api) -> None:
    id = await api.container("echo", "hi", start=False)
    reader, writer = await api.connect()
    head = (
        f"GET /containers/{id}/attach/ws?stream=1&stdout=1 HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\n"
        "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(head.encode())
    await reader.readuntil(b"\r\n\r\n")
    await api.engine.containers.start(id)
    assert await asyncio.wait_for(reader.read(), 60) == b"\x82\x03hi\n\x88\x02\x03\xe8"
    writer.close()


async def test_no_web_socket_without_a_handshake(api: Api) -> None:
    id = await api.container("sleep")
    assert (await api.ask("GET", f"/containers/{id}/attach/ws?stream=1")).status == 400
    assert not api.engine.containers.live(id).process.clients
