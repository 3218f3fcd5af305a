"""Carrying connections: how many at a time, and what happens to the others."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

import pytest

from corral.networks.relay import Relays


async def test_who_calls_a_busy_relay_waits_for_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corral.networks.relay._CONNECTIONS", 2)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello " + await reader.readline())
        await writer.drain()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        held = socket.create_server(("127.0.0.1", 0))
        held.setblocking(False)
        relays = Relays()
        relays.start(held, server.sockets[0].getsockname())
        callers = [await asyncio.open_connection(*held.getsockname()) for _ in range(3)]
        for number, (_, writer) in enumerate(callers):
            writer.write(b"%d\n" % number)
        answers = [asyncio.ensure_future(reader.readline()) for reader, _ in callers]
        assert [await answers[0], await answers[1]] == [b"hello 0\n", b"hello 1\n"]
        await asyncio.sleep(0)
        assert not answers[2].done()
        callers[0][1].close()
        assert await asyncio.wait_for(answers[2], 10) == b"hello 2\n"
        relays.stop(held)
        await relays.close()
        for _, writer in callers:
            writer.close()
        held.close()


@pytest.mark.parametrize(
    ("family", "wildcard", "called"),
    [
        (socket.AF_INET, "0.0.0.0", "127.0.0.7"),
        (socket.AF_INET, "127.0.0.8", "127.0.0.8"),
        (socket.AF_INET6, "::", "::1"),
    ],
)
async def test_a_datagram_is_answered_from_the_address_that_was_called(
    family: socket.AddressFamily, wildcard: str, called: str
) -> None:
    """Of a host's many addresses, the routes would choose another: a caller that is connected would not hear it."""
    loop = asyncio.get_running_loop()

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast(asyncio.DatagramTransport, transport)

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(b"hello " + data, addr)

    server, _ = await loop.create_datagram_endpoint(Echo, ("127.0.0.1", 0))
    relays = Relays()
    with socket.socket(family, socket.SOCK_DGRAM) as held, socket.socket(family, socket.SOCK_DGRAM) as caller:
        held.setblocking(False)
        held.bind((wildcard, 0))
        relays.start(held, server.get_extra_info("sockname"))
        caller.setblocking(False)
        caller.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
        caller.connect((called, held.getsockname()[1]))  # what comes from elsewhere is refused
        for said in (b"one", b"two"):
            await loop.sock_sendall(caller, said)
            assert await asyncio.wait_for(loop.sock_recv(caller, 100), 10) == b"hello " + said
        relays.stop(held)
    await relays.close()
    server.close()
