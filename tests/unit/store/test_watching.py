"""The hub of watches, across event loops and threads."""

from __future__ import annotations

import asyncio
import threading

from corral.store.interface import Change
from corral.store.watching import Hub


async def _no_history(prefix: str, after: int, until: int) -> tuple[list[Change], int]:
    raise AssertionError("there is nothing to recall")


def _change(revision: int) -> Change:
    return Change(revision, f"k/{revision}", b"", None)


async def test_what_is_published_in_a_thread_arrives_in_order() -> None:
    hub = Hub(0, _no_history)
    watch = hub.watch("k/", 0)

    def publish() -> None:
        for n in range(1, 500):
            hub.publish([_change(n)], n)

    thread = threading.Thread(target=publish)
    thread.start()
    seen: list[int] = []
    while len(seen) < 499:
        seen += [change.revision for change in await anext(watch)]
    thread.join()
    assert seen == list(range(1, 500))
    watch.close()


async def test_a_watch_on_another_event_loop_is_told_there() -> None:
    hub = Hub(0, _no_history)
    watching, seen = threading.Event(), list[list[Change]]()

    async def follow() -> None:
        watch = hub.watch("", 0)
        watching.set()
        seen.append(await anext(watch))
        watch.close()

    thread = threading.Thread(target=lambda: asyncio.run(follow()))
    thread.start()
    await asyncio.to_thread(watching.wait)
    hub.publish([_change(1)], 1)
    await asyncio.to_thread(thread.join)
    assert seen == [[_change(1)]]


async def test_an_event_loop_that_ended_with_its_watches_open_is_forgotten() -> None:
    hub, here = Hub(0, _no_history), []

    async def leave_open() -> None:
        here.append(hub.watch("", 0))

    await asyncio.to_thread(asyncio.run, leave_open())
    watch = hub.watch("", 0)
    for n in (1, 2):
        hub.publish([_change(n)], n)
        assert await anext(watch) == [_change(n)]
    watch.close()
    here[0].close()


async def test_history_comes_first_even_if_the_present_goes_on_meanwhile() -> None:
    asked: list[tuple[int, int]] = []

    async def recall(prefix: str, after: int, until: int) -> tuple[list[Change], int]:
        asked.append((after, until))
        hub.publish([_change(hub.revision + 1)], hub.revision + 1)
        await asyncio.sleep(0)
        reached = min(until, after + 2)
        return [_change(n) for n in range(after + 1, reached + 1)], reached

    hub = Hub(5, recall)
    watch = hub.watch("k/", 0)
    seen: list[int] = []
    while len(seen) < 8:
        seen += [change.revision for change in await anext(watch)]
        assert watch.progress() == seen[-1]
    assert seen == list(range(1, 9))
    assert asked == [(0, 5), (2, 5), (4, 5)]
    watch.close()
