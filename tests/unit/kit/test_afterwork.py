"""Clean-up after the answer: in order, bounded, and never lost."""

from __future__ import annotations

import asyncio

from corral.kit.tasks import Afterwork


async def test_put_waits_while_too_much_waits_and_nothing_is_lost() -> None:
    afterwork, gate, done = Afterwork(limit=2, workers=1), asyncio.Event(), list[int]()

    def work(n: int) -> None:
        async def run() -> None:
            await gate.wait()
            done.append(n)

        afterwork.add(str(n), run)

    for n in range(4):
        work(n)
    await asyncio.sleep(0)
    waiting = asyncio.create_task(afterwork.room())
    await asyncio.sleep(0)
    assert not waiting.done()
    gate.set()
    await asyncio.wait_for(waiting, 60)
    await afterwork.drain()
    assert done == [0, 1, 2, 3]
    await afterwork.close()


async def test_work_of_a_cancelled_caller_is_done() -> None:
    afterwork, gate, done = Afterwork(limit=1, workers=1), asyncio.Event(), list[str]()

    async def first() -> None:
        await gate.wait()

    async def second() -> None:
        done.append("second")

    afterwork.add("first", first)
    caller = asyncio.create_task(afterwork.put("second", second))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    gate.set()
    await afterwork.drain()
    assert done == ["second"]
    await afterwork.close()


async def test_one_failure_leaves_the_others_alone() -> None:
    afterwork, done = Afterwork(workers=1), asyncio.Event()

    async def fail() -> None:
        raise ValueError("no")

    async def succeed() -> None:
        done.set()

    afterwork.add("bad", fail)
    afterwork.add("good", succeed)
    await asyncio.wait_for(done.wait(), 60)
    await afterwork.close()
