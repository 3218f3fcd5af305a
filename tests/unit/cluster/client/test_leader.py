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


class Jumping:
    """The running loop's clock, which can be set forward: as it is for a process that was stopped, or held up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.ahead, self._time = 0.0, loop.time
        monkeypatch.setattr(loop, "time", lambda: self._time() + self.ahead)


class Noting:
    """A client that notes in whose name each claim was written, and holds one back while `gate` is closed."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.claims: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.held = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def create(self, *args: Any, **options: Any) -> Any:
        made = await self._client.create(*args, **options)
        self.claims.append(made["spec"].get("holderIdentity", ""))
        self.held.set()
        await self.gate.wait()
        return made

    async def update(self, *args: Any, **options: Any) -> Any:
        made = await self._client.update(*args, **options)
        self.claims.append(made["spec"].get("holderIdentity", ""))
        return made


class Member:
    """One process that wants to lead."""

    def __init__(self, world: World, name: str, terms: Terms, client: Any = None) -> None:
        self.client = client or Cut(world.client)
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


async def test_who_wakes_past_its_deadline_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with working() as world:
        clock, client = Jumping(monkeypatch), Noting(world.client)
        one = Member(world, "one", PATIENT, client)
        await asyncio.wait_for(one.leads.wait(), 60)
        clock.ahead += PATIENT.lease + 1
        with pytest.raises(LostLease):
            await asyncio.wait_for(one.task, 60)
        assert client.claims == ["one", ""], "it stops, and gives up what it has"


async def test_who_hears_too_late_that_it_leads_claims_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async with working() as world:
        clock, client = Jumping(monkeypatch), Noting(world.client)
        client.gate.clear()
        one = Member(world, "one", PATIENT, client)
        await asyncio.wait_for(client.held.wait(), 60)
        clock.ahead += PATIENT.deadline + 1
        client.gate.set()
        await asyncio.wait_for(one.leads.wait(), 60)
        assert client.claims == ["one", "one"], "others may have counted from the first"
        await one.end()


async def test_a_deadline_is_kept_though_a_retry_is_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async with working() as world:
        clock = Jumping(monkeypatch)
        one = Member(world, "one", PATIENT)
        await asyncio.wait_for(one.leads.wait(), 60)
        one.client.broken = True
        clock.ahead += PATIENT.retry  # one try fails; the next would come after the Lease is anybody's
        for _ in range(100):
            await asyncio.sleep(0)
        clock.ahead += PATIENT.deadline - PATIENT.retry
        await asyncio.wait_for(one.stopped.wait(), 60)
        with pytest.raises(LostLease):
            await one.task
