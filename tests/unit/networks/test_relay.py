"""Carrying connections: how many at a time, and what happens to the others."""

from __future__ import annotations

import asyncio
import socket

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
