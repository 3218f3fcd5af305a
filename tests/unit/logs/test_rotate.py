from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.errors import HostError
from corral.logs import rotate
from corral.logs.container_log import ContainerLog
from corral.logs.policy import LogPolicy
from corral.logs.rotate import Rotator, plan_rotation
from corral.logs.watches import Watches
from corral.model.process import LogQuery
from tests.support.log_monitor import Monitor


@pytest.fixture
async def watches(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watches]:
    monkeypatch.setattr(rotate, "REST", 0.001)
    made = Watches()
    yield made
    await made.close()


def test_the_plan_keeps_at_most_the_wanted_number() -> None:
    assert plan_rotation([0], 3) == ([], [(0, 1)])
    assert plan_rotation([3, 2, 1, 0], 3) == ([3, 2], [(1, 2), (0, 1)])
    assert plan_rotation([1, 0], 2) == ([1], [(0, 1)])
    assert plan_rotation([2, 0], 5) == ([], [(2, 3), (0, 1)])


class Host:
    """Answers the rotator as a monitor would, and counts."""

    def __init__(self, path: Path, watches: Watches) -> None:
        self.monitor = Monitor(path)
        self.told = asyncio.Event()
        self.count = 0
        self.rotator = Rotator(watches, self.reopen)

    async def reopen(self, container_id: str) -> None:
        assert container_id == "c1"
        self.count += 1
        self.monitor.reopen()
        self.told.set()

    async def next_rotation(self) -> None:
        await asyncio.wait_for(self.told.wait(), 60)
        self.told.clear()


def names(place: Path) -> list[str]:
    return sorted(p.name for p in place.iterdir())


async def test_a_log_that_has_grown_is_rotated_and_old_ones_go(tmp_path: Path, watches: Watches) -> None:
    host = Host(tmp_path / "ctr.log", watches)
    host.rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(1000, 3))
    for n in range(5):
        host.monitor.write(b"%d" % n + bytes(2000))
        await host.next_rotation()
    assert names(tmp_path) == ["ctr.log", "ctr.log.1", "ctr.log.2"]
    assert b" F 4" in (tmp_path / "ctr.log.1").read_bytes()
    assert b" F 3" in (tmp_path / "ctr.log.2").read_bytes()
    host.monitor.write(b"small")
    await host.rotator.close()
    assert host.count == 5


async def test_a_log_that_has_grown_meanwhile_is_rotated_at_once(tmp_path: Path, watches: Watches) -> None:
    host = Host(tmp_path / "ctr.log", watches)
    host.monitor.write(bytes(2000))
    host.rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(1000, 3))
    await host.next_rotation()
    assert names(tmp_path) == ["ctr.log", "ctr.log.1"]
    await host.rotator.close()


async def test_with_one_file_the_old_one_goes_when_the_new_one_is_there(tmp_path: Path, watches: Watches) -> None:
    host = Host(tmp_path / "ctr.log", watches)
    host.rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(1000, 1))
    for _ in range(3):
        host.monitor.write(bytes(2000))
        await host.next_rotation()
    gone = asyncio.Event()
    stop = watches.listen(str(tmp_path), 0x200, gone.set)
    if names(tmp_path) != ["ctr.log"]:
        await asyncio.wait_for(gone.wait(), 60)
    stop()
    assert names(tmp_path) == ["ctr.log"]
    await host.rotator.close()


async def test_an_interrupted_rotation_is_finished_and_not_done_twice(tmp_path: Path, watches: Watches) -> None:
    """The daemon died after the rename: the monitor still writes to number 1."""
    host = Host(tmp_path / "ctr.log", watches)
    host.monitor.write(b"before" + bytes(5000))
    (tmp_path / "ctr.log").rename(tmp_path / "ctr.log.1")
    host.monitor.write(b"between")
    host.rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(1000, 2))
    await host.next_rotation()
    host.monitor.write(b"after")
    assert names(tmp_path) == ["ctr.log", "ctr.log.1"]
    over = asyncio.Event()
    over.set()
    log = ContainerLog(str(tmp_path / "ctr.log"), LogPolicy(), watches)
    assert [e.data[:6] async for e in log.read(LogQuery(), over)] == [b"before", b"betwee", b"after\n"]
    await host.rotator.close()


async def test_a_monitor_that_does_not_answer_costs_nothing(
    tmp_path: Path, watches: Watches, caplog: pytest.LogCaptureFixture
) -> None:
    asked = asyncio.Event()

    async def fail(container_id: str) -> None:
        asked.set()
        raise HostError("the monitor is gone")

    monitor = Monitor(tmp_path / "ctr.log")
    rotator = Rotator(watches, fail)
    rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(1000, 2))
    monitor.write(bytes(2000))
    await asyncio.wait_for(asked.wait(), 60)
    monitor.write(bytes(2000))
    assert (tmp_path / "ctr.log.1").stat().st_size > 4000
    await rotator.close()
    assert "the monitor is gone" in caplog.text


async def test_where_no_new_file_can_be_made_the_monitor_is_left_in_peace(
    tmp_path: Path, watches: Watches, caplog: pytest.LogCaptureFixture
) -> None:
    """It would die of it, and the exit status with it. The log only grows until there is room again."""
    host = Host(tmp_path / "ctr.log", watches)
    (tmp_path / "ctr.log.tmp").mkdir()  # as good as a full disk
    host.monitor.write(bytes(2000))
    host.rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(1000, 3))
    assert names(tmp_path) == ["ctr.log", "ctr.log.tmp"]
    assert "is not rotated: rotate" in caplog.text
    await host.rotator.close()
    assert host.count == 0


async def test_unlimited_logs_and_ended_containers_are_left_alone(tmp_path: Path, watches: Watches) -> None:
    host = Host(tmp_path / "ctr.log", watches)
    host.rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(-1, 3))
    host.rotator.unwatch("c1")
    host.rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(1000, 3))
    host.rotator.unwatch("c1")
    host.rotator.unwatch("never")
    assert not watches._listeners
    await host.rotator.close()


async def test_following_while_the_rotator_works_loses_and_repeats_nothing(tmp_path: Path, watches: Watches) -> None:
    host = Host(tmp_path / "ctr.log", watches)
    host.rotator.watch("c1", str(tmp_path / "ctr.log"), LogPolicy(3000, 4))
    ended = asyncio.Event()
    seen: list[int] = []

    async def follow() -> None:
        log = ContainerLog(str(tmp_path / "ctr.log"), LogPolicy(), watches)
        async for entry in log.read(LogQuery(follow=True), ended):
            seen.append(int(entry.data))

    following = asyncio.ensure_future(follow())
    written = 0
    while written < 2000 or host.count < 10:  # as long as the rotator needs, however slow it is
        if written % 20 == 0:
            await asyncio.sleep(0.001)
        host.monitor.write(b"%d" % written)
        written += 1
    ended.set()
    await asyncio.wait_for(following, 60)
    assert seen == list(range(written))
    await host.rotator.close()
