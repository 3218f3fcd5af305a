"""HTTP probes against a server of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from corral.cluster.kubelet.probes import http, tcp
from corral.cluster.kubelet.probes.asking import ask, ask_hook
from corral.cluster.kubelet.probes.http import Target

NO_ENGINE: Any = None  # nothing runs inside a container here


@asynccontextmanager
async def server(answers: dict[str, bytes], seen: list[str] | None = None) -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.read(4096)).decode()
        if seen is not None:
            seen.append(head)
        if head:
            writer.write(answers.get(head.split(" ")[1], b""))
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await listening.wait_closed()


def reply(code: int, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {code} X", *headers, "", "body"]).encode()


@pytest.mark.parametrize(("code", "good"), [(200, True), (204, True), (399, True), (400, False), (503, False)])
async def test_codes(code: int, good: bool) -> None:
    async with server({"/x": reply(code)}) as port:
        answer = await http.ask(Target("http", "127.0.0.1", port, "/x"), [], 5)
    assert answer.good is good
    assert good or answer.output == f"HTTP probe failed with statuscode: {code}"


async def test_an_answer_that_came_while_the_daemon_was_held_up_is_no_late_one() -> None:
    """Else a machine that stands still for a moment has all its containers restarted, whose limits are short."""
    loop, seconds = asyncio.get_running_loop(), 0.2

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        writer.write(reply(200))
        late = loop.time() + seconds + 0.1
        while loop.time() < late:
            pass
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        assert (await http.ask(Target("http", "127.0.0.1", port, "/x"), [], seconds)).good


async def test_a_hook_is_heard_whatever_the_answer() -> None:
    """Only who cannot be reached, or speaks no HTTP, has not heard it."""
    hook = {"httpGet": {"path": "/x", "port": 0}}
    async with server({"/x": reply(404)}) as port:
        hook["httpGet"]["port"] = port
        assert (await ask_hook(NO_ENGINE, "", {}, "127.0.0.1", hook, 5)).good
        assert not (await ask(NO_ENGINE, "", {}, "127.0.0.1", hook, 5)).good
        hook["httpGet"]["path"] = "/silent"
        assert not (await ask_hook(NO_ENGINE, "", {}, "127.0.0.1", hook, 5)).good


async def test_redirects_to_the_same_host_are_followed_and_others_are_good() -> None:
    answers = {"/a": reply(302, "Location: /b"), "/b": reply(500), "/c": reply(302, "Location: http://example.org/")}
    async with server(answers) as port:
        assert not (await http.ask(Target("http", "127.0.0.1", port, "/a"), [], 5)).good
        assert (await http.ask(Target("http", "127.0.0.1", port, "/c"), [], 5)).good


async def test_a_redirect_from_where_one_is() -> None:
    answers = {"/a/b": reply(302, "Location: c?x=1"), "/a/c?x=1": reply(200)}
    async with server(answers) as port:
        assert (await http.ask(Target("http", "127.0.0.1", port, "/a/b"), [], 5)).good


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\n\nbody",  # as a script behind a web server writes it
        b"HTTP/1.1 200 OK\n\nbody",
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody",
    ],
)
async def test_heads_that_real_servers_write(text: bytes) -> None:
    async with server({"/": text}) as port:
        answer = await http.ask(Target("http", "127.0.0.1", port, "/"), [], 5)
    assert answer.good and answer.output == "body"


@pytest.mark.parametrize("text", [b"HTTP/1.1 204 X\r\n\r\n", b"HTTP/1.1 200 X\r\nContent-Length: 0\r\n\r\n"])
async def test_nobody_waits_for_a_body_that_is_none(text: bytes) -> None:
    """The server keeps the connection open, whatever it was asked for."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(text)
        await done.wait()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = listening.sockets[0].getsockname()[1]
        assert (await http.ask(Target("http", "127.0.0.1", port, "/"), [], 30)).good
        assert not done.is_set()
    finally:
        done.set()
        listening.close()
        await listening.wait_closed()


async def test_headers_of_the_pod() -> None:
    seen: list[str] = []
    async with server({"/": reply(200)}, seen) as port:
        await http.ask(Target("http", "127.0.0.1", port, "/"), [{"name": "Host", "value": "web"}], 5)
    assert "Host: web\r\n" in seen[0] and seen[0].lower().count("host:") == 1 and "User-Agent: kube-probe/" in seen[0]


async def test_failures_in_words() -> None:
    answer = await http.ask(Target("http", "127.0.0.1", 1, "/"), [], 5)
    assert answer.output == 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused'
    async with server({"/": b"nonsense\r\n\r\n"}) as port:
        answer = await http.ask(Target("http", "127.0.0.1", port, "/"), [], 5)
    assert not answer.good and "malformed HTTP response" in answer.output
    async with server({}) as port:
        answer = await http.ask(Target("http", "127.0.0.1", port, "/"), [], 5)
    assert answer.output.endswith("EOF")


async def test_connections() -> None:
    async with server({}) as port:
        assert (await tcp.ask("127.0.0.1", port, 5)).good
    assert (await tcp.ask("127.0.0.1", 1, 5)).output == "dial tcp 127.0.0.1:1: connect: connection refused"
