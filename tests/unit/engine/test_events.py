"""The event bus: replay, then live, nothing twice."""

import asyncio

from corral.engine.events import BACKLOG, Events
from corral.kit.clock import ManualClock, SystemClock


async def test_replay_then_live() -> None:
    events = Events(ManualClock(1000))
    events.publish("container", "create", "1", {})
    since = events.publish("container", "start", "1", {}).time
    seen: list[str] = []

    async def listen() -> None:
        async for event in events.subscribe(since=since):
            seen.append(event.action)
            if event.action == "die":
                return

    task = asyncio.create_task(listen())
    await asyncio.sleep(0)
    events.publish("container", "die", "1", {})
    await asyncio.wait_for(task, 60)
    assert seen == ["start", "die"]


async def test_until_in_the_past_ends_at_once() -> None:
    events = Events(SystemClock())
    first = events.publish("container", "create", "1", {})
    got = [e.action async for e in events.subscribe(since=1, until=first.time)]
    assert got == ["create"]


async def test_times_never_repeat() -> None:
    events = Events(ManualClock(5))
    times = [events.publish("x", "y", "z", {}).time for _ in range(4)]
    assert times == [5, 6, 7, 8]


async def test_a_listener_that_sleeps_is_let_go() -> None:
    events = Events(SystemClock())
    stream = events.subscribe()
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    for _ in range(BACKLOG + 10):
        events.publish("x", "y", "z", {})
    await reading
    rest = [e async for e in stream]
    assert len(rest) < BACKLOG


async def test_an_end_alone_means_all_that_is_remembered() -> None:
    events = Events(ManualClock(1000))
    for action in ("create", "start"):
        events.publish("container", action, "1", {})
    assert [e.action async for e in events.subscribe(until=1000)] == ["create"]
    assert [e.action async for e in events.subscribe(until=5)] == []


async def test_the_epoch_is_a_beginning() -> None:
    events = Events(ManualClock(1000))
    events.publish("container", "create", "1", {})
    assert (await anext(events.subscribe(since=0))).action == "create"
