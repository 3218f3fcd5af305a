from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from corral.cluster.client.leader import LEASES, Elector, LostLease, Terms
from tests.support.world import World, working

QUICK = Terms(lease=1.0, deadline=0.3, retry=0.05)
PATIENT = Terms(lease=90.0, deadline=80.0, retry=70.0)  # a Lease is given up within `retry`, or not


class Cut:
    """A client whose wire can be cut."""

    def __init__(self, client: Any) -> None:
        self._client, self.broken = client, False

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)

        async def update(*args: Any, **options: Any) -> Any:
            if self.broken:
                raise ConnectionResetError("cut")
            return await found(*args, **options)

        return update if name == "update" else found


class Member:
    """One process that wants to lead."""

    def __init__(self, world: World, name: str, terms: Terms) -> None:
        self.client = Cut(world.client)
        self.leads = asyncio.Event()
        self.stopped = asyncio.Event()
        self.elector = Elector(self.client, "test", name, terms=terms)  # type: ignore[arg-type]
        self.task = asyncio.create_task(self.elector.run(self.work))

    async def work(self) -> None:
        self.leads.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.stopped.set()

    async def end(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, LostLease):
            await self.task


async def test_one_leads_and_the_next_follows_at_once() -> None:
    async with working() as world:
        one = Member(world, "one", PATIENT)
        await asyncio.wait_for(one.leads.wait(), 60)
        two = Member(world, "two", PATIENT)
        await asyncio.wait_for(two.elector._informer.synced.wait(), 60)
        assert two.elector.leader == "one" and not two.leads.is_set()
        await one.end()
        await asyncio.wait_for(two.leads.wait(), 60)
        assert one.stopped.is_set()
        spec = (await world.client.get(LEASES, "test", "kube-system"))["spec"]
        assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("two", 1)
        await two.end()
        assert (await world.client.get(LEASES, "test", "kube-system"))["spec"].get("holderIdentity", "") == ""


async def test_who_cannot_renew_stops_before_another_begins() -> None:
    async with working() as world:
        one = Member(world, "one", QUICK)
        await asyncio.wait_for(one.leads.wait(), 60)
        two = Member(world, "two", QUICK)
        one.client.broken = True
        await asyncio.wait_for(two.leads.wait(), 60)
        assert one.stopped.is_set()
        with pytest.raises(LostLease, match="kube-system/test"):
            await one.task
        await two.end()


async def test_when_the_work_fails_another_may_try() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    async with working() as world:
        elector = Elector(world.client, "test", "one", terms=PATIENT)
        with pytest.raises(ZeroDivisionError):
            await elector.run(fails)
        two = Member(world, "two", PATIENT)
        await asyncio.wait_for(two.leads.wait(), 60)
        await two.end()
