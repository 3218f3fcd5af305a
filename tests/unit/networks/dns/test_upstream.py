"""Passing questions on: who is believed, and what becomes of servers that answer nonsense."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address

import pytest

from corral.networks.dns import upstream, wire
from corral.networks.dns.upstream import forward

QUESTION = wire.ask("example.org", wire.A, id=77)
QUERY = wire.parse_query(QUESTION)


def make(family: int, kind: int) -> socket.socket:
    return socket.socket(family, kind | socket.SOCK_NONBLOCK)


def told(data: bytes, address: str = "192.0.2.1") -> bytes:
    return wire.answer(wire.parse_query(data), [wire.Record(wire.A, ip_address(address).packed)])


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers that answer have all the time that this machine needs for it."""
    monkeypatch.setattr(upstream, "PATIENCE", 60.0)
    monkeypatch.setattr(upstream, "_TCP_PATIENCE", 60.0)


async def over_udp(answers: Callable[[bytes], list[bytes]]) -> tuple[bytes, list[bytes]]:
    """What is passed back, and what the server was sent."""
    seen: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind(("127.0.0.1", 0))

        def tell() -> None:
            data, sender = server.recvfrom(4096)
            seen.append(data)
            for reply in answers(data):
                server.sendto(reply, sender)

        loop = asyncio.get_running_loop()
        loop.add_reader(server, tell)
        try:
            reply = await forward(QUERY, QUESTION, ["127.0.0.1"], make, {}, port=server.getsockname()[1])
        finally:
            loop.remove_reader(server)
    return reply, seen


async def test_who_answered_while_the_daemon_was_held_up_was_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the next server is asked, which may not know what the first one does."""
    monkeypatch.setattr(upstream, "PATIENCE", 0.2)
    loop, silent = asyncio.get_running_loop(), dict[str, float]()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setblocking(False)
        server.bind(("127.0.0.1", 0))

        def tell() -> None:
            data, sender = server.recvfrom(4096)
            server.sendto(told(data), sender)
            late = loop.time() + 0.3
            while loop.time() < late:
                pass

        loop.add_reader(server, tell)
        try:
            reply = await forward(QUERY, QUESTION, ["127.0.0.1"], make, silent, port=server.getsockname()[1])
        finally:
            loop.remove_reader(server)
    assert reply == told(QUESTION) and silent == {}


async def test_forged_answers_are_passed_over() -> None:
    def answers(data: bytes) -> list[bytes]:
        guessed = bytes([data[0] ^ 1]) + told(data, "192.0.2.66")[1:]
        other = told(data[:2] + wire.ask("example.net", wire.A)[2:], "192.0.2.66")
        return [b"", b"x", guessed, other, data, told(data)]

    reply, seen = await over_udp(answers)
    assert wire.read_answer(reply) == (0, False, ["192.0.2.1"])
    assert reply[:2] == QUESTION[:2] and len(seen) == 1


async def test_each_question_has_a_number_and_a_port_of_its_own() -> None:
    numbers = {(await over_udp(lambda data: [told(data)]))[1][0][:2] for _ in range(20)}
    assert len(numbers) > 15


@pytest.mark.parametrize("said", [b"", b"\0", b"\0\0", b"\0\x05short", b"\0\x0cnot an answer"])
async def test_nonsense_over_tcp_is_no_answer_and_the_next_is_asked(said: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(2 + len(QUESTION))
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await forward(QUERY, QUESTION, ["127.0.0.1"], make, {}, tcp=True, port=port) == b""


async def test_a_server_that_was_silent_is_asked_again_but_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent: dict[str, float] = {}
    loop = asyncio.get_running_loop()

    def tell(server: socket.socket, address: str) -> None:
        data, sender = server.recvfrom(4096)
        server.sendto(told(data, address), sender)

    with first, second:
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        second.bind(("127.0.0.2", port))
        loop.add_reader(second, tell, second, "192.0.2.2")

        async def answered() -> list[str]:
            asked = forward(QUERY, QUESTION, ["127.0.0.1", "127.0.0.2"], make, silent, port=port)
            return wire.read_answer(await asyncio.wait_for(asked, 60))[2]

        with monkeypatch.context() as patched:  # only who is silent is waited for in vain
            patched.setattr(upstream, "plan_patience", lambda *_: [0.01, 60.0])
            assert await answered() == ["192.0.2.2"] and list(silent) == ["127.0.0.1"]
        monkeypatch.setattr(upstream, "PATIENCE", 3600.0)
        assert await answered() == ["192.0.2.2"]
        for _ in range(2):
            first.recv(4096)  # what it was asked meanwhile: both times
        loop.add_reader(first, tell, first, "192.0.2.1")
        monkeypatch.setattr(upstream, "_SHORT_PATIENCE", 60.0)
        assert await answered() == ["192.0.2.1"] and silent == {}
        loop.remove_reader(first)
        loop.remove_reader(second)
