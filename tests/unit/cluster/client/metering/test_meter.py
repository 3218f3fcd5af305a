"""When samples are taken: only for who asks, once for all who ask together."""

from __future__ import annotations

import asyncio

import pytest

from corral.cluster.client.metering.meter import PodMeter
from corral.cluster.client.metering.rates import SECOND, Sample
from corral.errors import HostError
from corral.kit.clock import ManualClock


class Machine:
    """Uses half a core. Pausing turns its clock."""

    def __init__(self) -> None:
        self.clock = ManualClock(1_700_000_000 * SECOND)
        self.taken = 0
        self.paused: list[float] = []
        self.broken = False
        self.meter = PodMeter("n1", self.clock, self.take, self.pause)

    async def take(self) -> Sample:
        if self.broken:
            raise HostError("read /proc/stat: no")
        self.taken += 1
        return Sample(self.clock.now(), self.clock.now() // 2, 4096)

    async def pause(self, seconds: float) -> None:
        self.paused.append(seconds)
        self.clock.advance(int(seconds * SECOND))

    async def asked(self) -> tuple[int, float]:
        """What it uses, and over which time."""
        node = (await self.meter.measure()).nodes[0]
        return node.used.cpu, node.window


async def test_who_asks_first_waits_for_a_second_sample() -> None:
    machine = Machine()
    assert machine.taken == 0
    assert await machine.asked() == (SECOND // 2, 1.0)
    assert machine.paused == [1.0] and machine.taken == 2


async def test_who_asks_again_is_answered_at_once_over_all_the_time_since() -> None:
    machine = Machine()
    await machine.asked()
    for _ in range(3):
        machine.clock.advance(5 * SECOND)
        await machine.asked()
    assert len(machine.paused) == 1
    assert await machine.asked() == (SECOND // 2, 10.0)  # compared with the newest that is ten seconds old


async def test_all_who_ask_together_have_one_answer() -> None:
    machine = Machine()
    found = await asyncio.gather(*(machine.meter.measure() for _ in range(20)))
    assert len({id(one) for one in found}) == 1 and machine.taken == 2


async def test_what_is_older_than_a_minute_is_forgotten() -> None:
    machine = Machine()
    await machine.asked()
    machine.clock.advance(62 * SECOND)
    assert await machine.asked() == (SECOND // 2, 1.0)
    assert len(machine.paused) == 2


async def test_a_clock_that_is_set_back() -> None:
    machine = Machine()
    await machine.asked()
    machine.clock.advance(-3600 * SECOND)
    assert await machine.asked() == (SECOND // 2, 1.0)


async def test_a_failure_is_the_askers_and_nobody_elses() -> None:
    machine = Machine()
    machine.broken = True
    with pytest.raises(HostError):
        await machine.asked()
    machine.broken = False
    assert await machine.asked() == (SECOND // 2, 1.0)
