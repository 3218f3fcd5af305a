from __future__ import annotations

import asyncio

from corral.cluster.client.queue import WorkQueue


async def test_a_key_waits_once() -> None:
    queue = WorkQueue()
    queue.add("a")
    queue.add("b")
    queue.add("a")
    assert len(queue) == 2
    assert [await queue.get(), await queue.get()] == ["a", "b"]
    assert not queue.idle
    queue.done("a")
    queue.done("b")
    assert queue.idle


async def test_what_is_added_during_the_work_comes_again_after_it_and_not_beside_it() -> None:
    queue = WorkQueue()
    queue.add("a")
    key = await queue.get()
    queue.add("a")
    assert len(queue) == 0
    queue.done(key)
    assert await queue.get() == "a"


async def test_get_waits_for_the_next_key() -> None:
    queue = WorkQueue()
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await waiting == "a"


async def test_of_two_times_the_sooner_counts() -> None:
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add_after("a", 0.001)
    queue.add_after("a", 50)
    assert await asyncio.wait_for(queue.get(), 60) == "a"
    queue.done("a")
    assert queue.idle


async def test_failures_are_put_off_longer_and_longer_until_one_succeeds() -> None:
    queue = WorkQueue()
    assert [queue.retry("a") for _ in range(3)] == [0.005, 0.01, 0.02]
    queue.forget("a")
    assert queue.retry("a") == 0.005
    queue.close()


async def test_a_key_that_waits_for_its_time_may_come_sooner() -> None:
    queue = WorkQueue()
    queue.add_after("a", 60)
    queue.add("a")
    assert await queue.get() == "a"
    queue.close()
