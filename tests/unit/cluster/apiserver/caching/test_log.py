"""The window of changes: places in it, what falls out, and who is woken."""

from __future__ import annotations

import asyncio

import pytest

from corral.cluster.apiserver.caching import log as window
from corral.cluster.apiserver.caching.event import Event
from corral.cluster.apiserver.caching.item import Item
from corral.cluster.apiserver.caching.log import EventLog

POD = b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}'


def event(revision: int) -> Event:
    return Event(revision, None, Item("n/a", revision, POD))


def test_places_by_revision() -> None:
    log = EventLog(10)
    for revision in (12, 12, 15, 20):
        log.append(event(revision))
    assert [log.position(revision) for revision in (9, 10, 11, 12, 14, 15, 20, 30)] == [None, 0, 0, 2, 2, 3, 4, 4]
    assert [one.revision for one in log.after(2)] == [15, 20] and log.after(4) == []


def test_the_oldest_fall_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW", 3)
    log = EventLog(0)
    for revision in range(1, 8):
        log.append(event(revision))
    assert (log.start, log.end, log.since) == (4, 7, 4)
    assert log.position(3) is None and log.position(4) == 4
    assert [one.revision for one in log.after(5)] == [6, 7]


def test_large_changes_fall_out_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    size = event(1000).size
    monkeypatch.setattr(window, "WINDOW_BYTES", 100 * size)
    log = EventLog(0)
    for revision in range(1000, 2000):
        log.append(event(revision))
    assert len(log.events) == 100 and log.size == 100 * size


async def test_all_are_woken_and_who_gave_up_is_forgotten() -> None:
    log = EventLog(0)
    waiters = [log.wait() for _ in range(200)]
    waiters[3].cancel()
    log.append(event(1))
    log.announce()
    await asyncio.wait_for(asyncio.gather(*waiters, return_exceptions=True), 10)
    assert all(waiter.done() for waiter in waiters) and not log._waiters


async def test_a_change_forgets_what_was_joined_before() -> None:
    log = EventLog(0)
    log.batches["x"] = b"1"
    log.append(event(1))
    assert log.batches == {}
