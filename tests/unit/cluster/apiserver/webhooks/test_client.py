from __future__ import annotations

import asyncio

import pytest

from corral.cluster.apiserver.webhooks.client import HttpsClient, Place


async def test_what_is_under_way_when_the_client_is_closed_is_answered_and_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As when there is another certificate: nobody would ever take that connection again."""
    asked, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await go_on.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert await reader.read() == b""
        writer.close()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setattr(HttpsClient, "connect", staticmethod(lambda place: asyncio.open_connection("127.0.0.1", port)))
    client = HttpsClient()
    asking = asyncio.create_task(client.ask(Place("127.0.0.1", port, "x"), "GET", "/"))
    await asked.wait()
    client.close()
    go_on.set()
    assert bytes((await asking).body) == b"ok"
    await ended.wait()
    server.close()
