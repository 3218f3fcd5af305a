"""Informers: one for each collection, those that come late too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from corral.cluster.client.builtin import NODES, PODS
from corral.cluster.client.informers import Informers
from corral.cluster.client.protocol import Collection, Event, Listing


class Still:
    """A server where nothing happens."""

    def __init__(self) -> None:
        self.listed: list[Collection] = []

    async def list(self, of: Collection, namespace: str = "", **_: Any) -> Listing:
        self.listed.append(of)
        return Listing([], "5")

    async def watch(self, of: Collection, namespace: str = "", **_: Any) -> AsyncIterator[Event]:
        await asyncio.Event().wait()
        yield Event("BOOKMARK", {})


async def test_one_informer_for_each_collection() -> None:
    client = Still()
    informers = Informers(client)  # type: ignore[arg-type]
    pods = informers.of(PODS)
    assert informers.of(PODS) is pods
    running = asyncio.create_task(informers.run())
    await informers.synced()
    nodes = informers.of(NODES)
    await nodes.synced.wait()
    assert client.listed == [PODS, NODES]
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()
