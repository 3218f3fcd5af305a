"""Neighbours are asked over TLS whether they still lead to a pod; who does not answer is not waited for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from corral.cluster.client.https.remote import make_context
from corral.cluster.kubelet.barrier import Leaving
from corral.cluster.kubelet.neighbours import Neighbours
from corral.http.message import Request, Response
from corral.http.server import Server
from tests.support import certificates
from tests.support.ports import free_port

Object = dict[str, Any]
POD = Leaving("10.244.0.9", "u1", "me")
LONG = 60.0  # seconds


class Neighbour:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heard, self.leads_nowhere = asyncio.Event(), asyncio.Event()
        self.status = 200

    async def handle(self, request: Request) -> Response:
        self.asked.append(request.raw_path)
        self.heard.set()
        await self.leads_nowhere.wait()
        return Response(self.status, {}, b"ok")


@asynccontextmanager
async def listening(neighbour: Neighbour, folder: Path) -> AsyncIterator[tuple[Object, ssl.SSLContext]]:
    """The Node object, and what trusts it."""
    made = certificates.make(folder)
    server = Server(neighbour.handle)
    port = await server.listen_tcp("127.0.0.1", 0, certificates.server(made))
    try:
        yield node("localhost", port), make_context(made[0].read_text())
    finally:
        await server.close(grace=0)


def node(name: str, port: int, ready: str = "True") -> Object:
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        "conditions": [{"type": "Ready", "status": ready}],
    }
    return {"metadata": {"name": name}, "status": status}


async def test_it_waits_for_the_last_of_them(tmp_path: Path) -> None:
    slow = Neighbour()
    async with listening(slow, tmp_path) as (there, context):
        neighbours = Neighbours(lambda: [node("me", 1), there, node("lost", 1, "Unknown")], "me", lambda: context)
        waiting = asyncio.create_task(neighbours.gone(POD, LONG))
        await asyncio.wait_for(slow.heard.wait(), 20)
        assert not waiting.done()
        slow.leads_nowhere.set()
        await asyncio.wait_for(waiting, 20)
        neighbours.close()
    assert slow.asked == ["/gone/10.244.0.9/u1"]


async def test_who_still_leads_there_is_waited_for_however_short_a_silence_may_be(tmp_path: Path) -> None:
    other = Neighbour()
    other.leads_nowhere.set()
    other.status = 503
    async with listening(other, tmp_path) as (there, context):
        neighbours = Neighbours(lambda: [there], "me", lambda: context)
        waiting = asyncio.create_task(neighbours.gone(POD, 1.0))
        begun = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < begun + 1.5:
            other.heard.clear()
            await asyncio.wait_for(other.heard.wait(), 20)
        assert not waiting.done()
        other.status = 200
        await asyncio.wait_for(waiting, 20)
        neighbours.close()


async def test_who_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    silent = Neighbour()
    async with listening(silent, tmp_path) as (there, context):
        neighbours = Neighbours(lambda: [there], "me", lambda: context)
        await asyncio.wait_for(neighbours.gone(POD, 0.2), 20)
        assert silent.asked
        neighbours.close()


async def test_who_refuses_is_passed_over_and_asked_anew(tmp_path: Path) -> None:
    """Each time with the certificate as it is then."""
    made: list[ssl.SSLContext] = []
    other = Neighbour()
    other.leads_nowhere.set()
    async with listening(other, tmp_path) as (there, context):

        def shown() -> ssl.SSLContext:
            made.append(context)
            return context

        neighbours = Neighbours(lambda: [there], "me", shown)
        other.status = 401
        await neighbours.gone(POD, LONG)
        other.status = 200
        for _ in range(3):
            await neighbours.gone(POD, LONG)
        neighbours.close()
    assert len(other.asked) == 4 and len(made) == 2


async def test_who_is_away_is_asked_until_it_is_back_or_missed(tmp_path: Path) -> None:
    other = Neighbour()
    other.leads_nowhere.set()
    made = certificates.make(tmp_path)
    nodes = [node("localhost", port := free_port())]
    neighbours = Neighbours(lambda: nodes, "me", lambda: make_context(made[0].read_text()))
    waiting = asyncio.create_task(neighbours.gone(POD, LONG))
    assert not (await asyncio.wait([waiting], timeout=0.2))[0]
    server = Server(other.handle)
    await server.listen_tcp("127.0.0.1", port, certificates.server(made))
    await asyncio.wait_for(waiting, 20)
    assert len(other.asked) == 1
    await server.close(grace=0)
    waiting = asyncio.create_task(neighbours.gone(POD, LONG))
    assert not (await asyncio.wait([waiting], timeout=0.2))[0]
    nodes[:] = [node("localhost", port, "Unknown")]
    await asyncio.wait_for(waiting, 20)
    neighbours.close()
