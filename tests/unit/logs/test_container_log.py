from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from corral.logs.container_log import ContainerLog
from corral.logs.policy import LogPolicy
from corral.logs.watches import Watches
from corral.model.process import LogEntry, LogQuery
from tests.support.log_monitor import START, Monitor

OVER = asyncio.Event()
OVER.set()


@pytest.fixture
async def watches() -> AsyncIterator[Watches]:
    made = Watches()
    yield made
    await made.close()


@pytest.fixture
def monitor(tmp_path: Path) -> Monitor:
    return Monitor(tmp_path / "ctr.log")


@pytest.fixture
def log(tmp_path: Path, watches: Watches) -> ContainerLog:
    return ContainerLog(str(tmp_path / "ctr.log"), LogPolicy(), watches)


async def lines(log: ContainerLog, **query: object) -> list[bytes]:
    return [e.data async for e in log.read(LogQuery(**query), OVER)]  # type: ignore[arg-type]


def rotate(monitor: Monitor) -> None:
    """What a rotation does, three files at most."""
    for number in (1, 0):
        name = Path(f"{monitor.path}.{number}" if number else monitor.path)
        if name.exists():
            name.rename(f"{monitor.path}.{number + 1}")


async def test_a_log_that_was_never_written_is_empty(log: ContainerLog, tmp_path: Path, watches: Watches) -> None:
    assert await lines(log) == []
    assert await lines(log, tail=5) == []
    assert await lines(log, since=5, follow=True) == []
    assert [
        e async for e in ContainerLog(str(tmp_path / "no" / "log"), LogPolicy(), watches).read(LogQuery(), OVER)
    ] == []


async def test_reading_goes_through_all_files_oldest_first(log: ContainerLog, monitor: Monitor) -> None:
    for n in range(9):
        monitor.write(b"%d" % n, stream="stderr" if n % 2 else "stdout")
        if n in (2, 5):
            rotate(monitor)
            monitor.reopen()
    assert await lines(log) == [b"%d\n" % n for n in range(9)]
    assert await lines(log, stdout=False) == [b"1\n", b"3\n", b"5\n", b"7\n"]
    assert await lines(log, tail=4) == [b"5\n", b"6\n", b"7\n", b"8\n"]
    assert await lines(log, tail=4, stderr=False) == [b"6\n", b"8\n"]
    assert await lines(log, tail=0) == []
    assert await lines(log, since=START + 4, until=START + 6) == [b"4\n", b"5\n", b"6\n"]
    assert await lines(log, since=START + 4, tail=2) == [b"7\n", b"8\n"]
    assert await lines(log, until=START + 4, tail=2) == []


async def test_a_file_s_time_may_be_behind_that_of_its_last_line(log: ContainerLog, monitor: Monitor) -> None:
    """The line has the clock's, the file that of the kernel's last tick."""
    for n in range(2):
        monitor.write(b"%d" % n)
    rotate(monitor)
    monitor.reopen()
    monitor.write(b"2")
    os.utime(f"{monitor.path}.1", ns=(START, START + 1 - 4_000_000))
    assert await lines(log, since=START + 1) == [b"1\n", b"2\n"]
    assert await lines(log, since=START + 10_000_000) == []


async def test_a_line_over_two_files_is_one_line(log: ContainerLog, monitor: Monitor) -> None:
    monitor.write(b"before")
    monitor.write(b"hel", tag="P")
    rotate(monitor)
    monitor.write(b"l", tag="P")  # the monitor was not told yet
    monitor.reopen()
    monitor.write(b"o")
    monitor.write(b"no line feed", tag="P")
    assert await lines(log) == [b"before\n", b"hello\n", b"no line feed"]
    assert await lines(log, tail=2) == [b"hello\n", b"no line feed"]
    assert await lines(log, tail=3) == [b"before\n", b"hello\n", b"no line feed"]


async def test_reading_without_following_ends_where_the_log_ended_when_it_began(
    log: ContainerLog, monitor: Monitor
) -> None:
    monitor.write(b"old" * 50_000)
    monitor.write(b"old")
    seen = []
    async for batch in log.batches(LogQuery(), asyncio.Event()):
        monitor.write(b"new")
        seen += batch
    assert b"new" not in b"".join(e.data for e in seen)
    assert seen[-1].data == b"old\n"


async def next_data(entries: AsyncIterator[LogEntry]) -> bytes:
    return (await asyncio.wait_for(anext(entries), 60)).data


async def test_following_sees_lines_as_they_come_and_ends_after_the_last_one(
    log: ContainerLog, monitor: Monitor
) -> None:
    ended = asyncio.Event()
    monitor.write(b"one")
    entries = log.read(LogQuery(follow=True), ended)
    assert await next_data(entries) == b"one\n"
    waiting = asyncio.ensure_future(anext(entries))
    await asyncio.sleep(0)
    monitor.write(b"tw", tag="P")
    monitor.write(b"o")
    assert (await asyncio.wait_for(waiting, 60)).data == b"two\n"
    monitor.write(b"three")
    monitor.write(b"rest", tag="P")
    ended.set()
    assert [e.data async for e in entries] == [b"three\n", b"rest"]


async def test_following_begins_before_the_first_line(log: ContainerLog, tmp_path: Path) -> None:
    ended = asyncio.Event()
    waiting = asyncio.ensure_future(anext(log.read(LogQuery(follow=True), ended)))
    await asyncio.sleep(0)
    Monitor(tmp_path / "ctr.log").write(b"first")
    assert (await asyncio.wait_for(waiting, 60)).data == b"first\n"


async def test_following_from_the_tail(log: ContainerLog, monitor: Monitor) -> None:
    for n in range(5):
        monitor.write(b"%d" % n)
    entries = log.read(LogQuery(follow=True, tail=1), asyncio.Event())
    assert await next_data(entries) == b"4\n"
    monitor.write(b"5")
    assert await next_data(entries) == b"5\n"
    await entries.aclose()
    entries = log.read(LogQuery(follow=True, tail=0), asyncio.Event())
    waiting = asyncio.ensure_future(anext(entries))
    await asyncio.sleep(0)
    monitor.write(b"6")
    assert (await asyncio.wait_for(waiting, 60)).data == b"6\n"


async def test_following_ends_at_until(log: ContainerLog, monitor: Monitor) -> None:
    monitor.write(b"0")
    entries = log.read(LogQuery(follow=True, until=START + 1), asyncio.Event())
    assert await next_data(entries) == b"0\n"
    monitor.write(b"1")
    monitor.write(b"2")
    assert await next_data(entries) == b"1\n"
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(entries), 60)


@pytest.mark.parametrize("told", [True, False])
async def test_following_through_rotations_loses_and_repeats_nothing(
    log: ContainerLog, monitor: Monitor, told: bool
) -> None:
    """Several rotations between two reads, with lines written before and after the monitor's new file."""
    ended = asyncio.Event()
    entries = log.read(LogQuery(follow=True), ended)
    monitor.write(b"0")
    assert await next_data(entries) == b"0\n"
    expected = []
    for n in range(1, 9):
        monitor.write(b"%d" % n)
        expected.append(b"%d\n" % n)
        if n in (3, 6):
            rotate(monitor)
            monitor.write(b"%d more" % n)
            expected.append(b"%d more\n" % n)
            if told or n < 6:
                monitor.reopen()
        if n == 4:
            assert [await next_data(entries) for _ in expected] == expected
            expected = []
    ended.set()
    assert [e.data async for e in entries] == expected


async def test_a_follower_that_was_left_behind_goes_on_with_the_oldest_file(
    log: ContainerLog, monitor: Monitor
) -> None:
    ended = asyncio.Event()
    monitor.write(b"0")
    entries = log.read(LogQuery(follow=True), ended)
    assert await next_data(entries) == b"0\n"
    for n in range(1, 6):
        monitor.write(b"%d" % n)
        rotate(monitor)
        monitor.reopen()
    ended.set()
    # The file with 1 it still has open; those with 2 and 3 were removed.
    assert [e.data async for e in entries] == [b"1\n", b"4\n", b"5\n"]


async def test_following_can_be_cancelled_and_frees_what_it_held(
    log: ContainerLog, monitor: Monitor, watches: Watches
) -> None:
    async def follow() -> None:
        async for _ in log.read(LogQuery(follow=True), asyncio.Event()):
            pass

    tasks = [asyncio.ensure_future(follow()) for _ in range(3)]
    await asyncio.sleep(0)
    monitor.write(b"x")
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert not watches._listeners
    async with aclosing(log.read(LogQuery(follow=True), asyncio.Event())) as entries:
        assert await next_data(entries) == b"x\n"
    assert not watches._listeners


@pytest.mark.parametrize("listening", [True, False])
async def test_following_ends_when_the_container_is_removed(tmp_path: Path, watches: Watches, listening: bool) -> None:
    place = tmp_path / "container"
    place.mkdir()
    monitor = Monitor(place / "ctr.log")
    entries = ContainerLog(str(place / "ctr.log"), LogPolicy(), watches).read(LogQuery(follow=True), asyncio.Event())
    monitor.write(b"x")
    assert await next_data(entries) == b"x\n"
    waiting = asyncio.ensure_future(anext(entries))
    for _ in range(10 if listening else 1):
        await asyncio.sleep(0)
    assert bool(watches._listeners) == listening
    (place / "ctr.log").unlink()
    place.rmdir()
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, 60)
