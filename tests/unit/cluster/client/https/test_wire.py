"""HTTP as a client: connections that are used again, that have died, and answers in pieces."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from corral.cluster.client.https.remote import RemoteClient, make_context
from corral.cluster.client.https.wire import Wire, lines, parse_answer_head, parse_size, parse_url
from corral.cluster.client.protocol import Collection
from corral.errors import HostError, InvalidInput
from corral.model.kubernetes.status import StatusError
from tests.support import certificates

CONFIGS = Collection("", "v1", "configmaps")


class Scripted:
    """A server that answers each connection by a script, and counts them. `during` is called before each answer."""

    def __init__(self, folder: Path) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        made = certificates.make(folder)
        self.context = certificates.server(made)
        self.client_context = make_context(made[0].read_text())
        self.answers: list[bytes] = []
        self.closes = False
        self.during: Callable[[], object] = lambda: None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.during()
                writer.write(self.answers.pop(0))
                await writer.drain()
                if self.closes:
                    break
        except (asyncio.IncompleteReadError, ConnectionError, IndexError):
            pass
        writer.close()


def answer(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body


@pytest_asyncio.fixture
async def scripted(tmp_path: Path) -> AsyncIterator[tuple[Scripted, str]]:
    made = Scripted(tmp_path)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0, ssl=made.context)
    yield made, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_a_connection_is_used_again(scripted: tuple[Scripted, str]) -> None:
    server, url = scripted
    server.answers = [answer(b"1"), answer(b"2")]
    wire = Wire(parse_url(url), server.client_context)
    assert [(await wire.ask("GET", "/", {})).body for _ in range(2)] == [b"1", b"2"]
    assert server.connections == 1
    wire.close()


async def test_a_connection_that_the_server_gave_up_is_made_anew(scripted: tuple[Scripted, str]) -> None:
    server, url = scripted
    server.answers, server.closes = [answer(b"1"), answer(b"2")], True
    wire = Wire(parse_url(url), server.client_context)
    assert [(await wire.ask("GET", "/", {})).body for _ in range(2)] == [b"1", b"2"]
    assert server.connections == 2
    wire.close()


@pytest.mark.parametrize("busy", [False, True], ids=["that waits", "in use"])
async def test_a_connection_from_before_a_renewal_is_not_used_again(
    scripted: tuple[Scripted, str], *, busy: bool
) -> None:
    server, url = scripted
    server.answers = [answer(b"1"), answer(b"2"), answer(b"3")]
    wire = Wire(parse_url(url), server.client_context)
    if busy:
        server.during = wire.renew
    assert (await wire.ask("GET", "/", {})).body == b"1", "what is under way goes on to its end"
    if not busy:
        wire.renew()
    server.during = lambda: None
    assert [(await wire.ask("GET", "/", {})).body for _ in range(2)] == [b"2", b"3"]
    assert server.connections == 2
    wire.close()


async def test_an_answer_that_is_cut_off_is_an_oserror(scripted: tuple[Scripted, str]) -> None:
    server, url = scripted
    server.answers, server.closes = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"], True
    with pytest.raises(OSError):
        await Wire(parse_url(url), server.client_context).ask("POST", "/", {}, b"{}")
    assert server.connections == 1  # a write is never sent twice


async def test_who_asks_for_patience_gets_it(scripted: tuple[Scripted, str]) -> None:
    server, url = scripted
    server.answers = [
        answer(b"{}", "429 Too Many Requests", "Retry-After: 0\r\n"),
        answer(b'{"metadata":{"name":"a"}}'),
    ]
    client = RemoteClient(url, server.client_context, "test", token="t")
    assert (await client.get(CONFIGS, "a", "default"))["metadata"]["name"] == "a"
    assert b"Authorization: Bearer t\r\n" in server.requests[1] and b"User-Agent: test/" in server.requests[1]
    client.close()


async def test_the_end_of_a_watch_and_its_errors(scripted: tuple[Scripted, str]) -> None:
    server, url = scripted
    line = b'{"type":"ADDED","object":{"metadata":{"name":"a"}}}\n'
    gone = b'{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired","message":"too old"}}\n'
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (line[:7], line[7:], line))
    client = RemoteClient(url, server.client_context, "test")
    server.answers = [chunked + pieces + b"0\r\n\r\n"]
    found = [event.object["metadata"]["name"] async for event in client.watch(CONFIGS, resource_version="1")]
    assert found == ["a", "a"]
    server.answers = [chunked + b"%x\r\n%s\r\n" % (len(gone), gone)]
    with pytest.raises(StatusError) as caught:
        [event async for event in client.watch(CONFIGS, resource_version="1")]
    assert (caught.value.code, caught.value.reason) == (410, "Expired")
    client.close()


async def test_a_server_that_nobody_vouches_for_is_not_spoken_to(scripted: tuple[Scripted, str]) -> None:
    server, url = scripted
    with pytest.raises(OSError):
        await Wire(parse_url(url), ssl.create_default_context()).ask("GET", "/", {})
    assert server.requests == []


async def test_lines_however_they_were_cut() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in (b"a\nb", b"", b"c\n\n", b"d"):
            yield piece

    assert [line async for line in lines(pieces())] == [b"a", b"bc", b"d"]


@pytest.mark.parametrize("url", ["http://a", "https://", "https://a/path", "https://a:x", "https://u@a"])
def test_bad_urls(url: str) -> None:
    with pytest.raises(InvalidInput):
        parse_url(url)


@pytest.mark.parametrize("data", [b"", b"SSH-2.0\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_answer(data: bytes) -> None:
    with pytest.raises(ConnectionError):
        parse_answer_head(data)


def test_what_is_no_chunk_and_no_certificate() -> None:
    with pytest.raises(ConnectionError):
        parse_size(b"zz\r\n")
    with pytest.raises(HostError):
        make_context("no certificate")
