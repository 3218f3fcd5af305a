from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from unittest.mock import patch

from corral.cluster.client.leader import LEASES
from corral.cluster.client.members import NAMESPACE, Members, Place
from corral.cluster.client.protocol import Collection, Object
from tests.support.world import World, working


class Member:
    """One process that serves."""

    def __init__(self, world: World, name: str, seconds: float = 60.0) -> None:
        self.place = Place(f"10.0.0.{name}", 6443)
        self.members = Members(world.client, "test", name, self.place, seconds=seconds)
        self.changed, self.known = asyncio.Event(), set[str]()
        self.members.on_change(self._note)
        self.task = asyncio.create_task(self.members.run())

    def _note(self) -> None:
        """What it knows is seen here each time, be it for a moment only."""
        self.known |= {place.address for place in self.members.places()}
        self.changed.set()

    async def until(self, *names: str) -> None:
        """Returns when these are at work, as far as this one knows."""
        async with asyncio.timeout(60):
            while [place.address for place in self.members.places()] != [f"10.0.0.{name}" for name in names]:
                self.changed.clear()
                await self.changed.wait()

    async def hears_of(self, name: str) -> None:
        """Returns when this one knows of it, or has known."""
        async with asyncio.timeout(60):
            while f"10.0.0.{name}" not in self.known:
                self.changed.clear()
                await self.changed.wait()

    async def end(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


@asynccontextmanager
async def members(world: World, *names: str) -> AsyncIterator[list[Member]]:
    made = [Member(world, name) for name in names]
    try:
        yield made
    finally:
        for one in made:
            await one.end()


async def test_all_know_of_all_and_of_who_leaves() -> None:
    async with working() as world, members(world, "1", "2", "3") as (one, two, three):
        for each in (one, two, three):
            await each.until("1", "2", "3")
        await two.end()
        for each in (one, three):
            await each.until("1", "3")


async def test_who_gives_no_sign_of_life_is_taken_away() -> None:
    async with working() as world:
        lease = {
            "metadata": {"name": "test-9", "namespace": NAMESPACE, "labels": {"corral.dev/serves": "test"}},
            "spec": {"holderIdentity": "10.0.0.9 6443"},
        }
        await world.client.create(LEASES, lease)
        one = Member(world, "1", seconds=0.3)
        try:
            await one.hears_of("9")
            await one.until("1")
            await world.until_gone(LEASES, "test-9", NAMESPACE)
        finally:
            await one.end()


async def test_who_leaves_while_another_is_taken_away() -> None:
    """Of two that gave no sign of life the second one is gone by the time that the first one's Lease is deleted."""
    async with working() as world:
        for name in ("8", "9"):
            lease = {
                "metadata": {"name": f"test-{name}", "namespace": NAMESPACE, "labels": {"corral.dev/serves": "test"}},
                "spec": {"holderIdentity": f"10.0.0.{name} 6443"},
            }
            await world.client.create(LEASES, lease)
        one = Member(world, "1")
        await one.until("1", "8", "9")
        delete = world.client.delete

        async def both(of: Collection, name: str, namespace: str = "", **_: Any) -> Object:
            for gone in ("test-8", "test-9"):
                await delete(of, gone, namespace)
            await one.until("1")
            return {}

        one.members._seen |= {"test-8": -math.inf, "test-9": -math.inf}
        with patch.object(world.client, "delete", both):
            await one.members._look()
        assert [place.address for place in one.members.places()] == ["10.0.0.1"]
        await one.end()
