"""The same work once: who waits, who hears, and what happens when the first one does not make it."""

from __future__ import annotations

import asyncio

import pytest

from corral.build.shared import CLIPPED, LATE, Hear, Shared


class Work:
    """Work that says "begun", and ends when it is told to."""

    def __init__(self, result: str | BaseException) -> None:
        self.result, self.go, self.runs = result, asyncio.Event(), 0
        self.begun = asyncio.Event()

    async def __call__(self, hear: Hear) -> str:
        self.runs += 1
        hear(1, b"begun")
        self.begun.set()
        await self.go.wait()
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def _do(shared: Shared[str], work: Work, said: list[bytes]) -> asyncio.Task[str]:
    return asyncio.create_task(shared.do("key", work, lambda stream, data: said.append(data)))


async def test_the_second_waits_and_hears_all_of_it() -> None:
    shared, first, second = Shared[str](), Work("done"), Work("again")
    said: list[bytes] = []
    one = _do(shared, first, [])
    await first.begun.wait()
    other = _do(shared, second, said)
    first.go.set()
    assert await one == await other == "done" and second.runs == 0 and said == [b"begun"]


@pytest.mark.parametrize("cancelled", [True, False])
async def test_where_the_first_fails_the_second_does_it(cancelled: bool) -> None:
    shared, first, second = Shared[str](), Work(ValueError("mine alone")), Work("again")
    second.go.set()
    one = _do(shared, first, [])
    await first.begun.wait()
    other = _do(shared, second, [])
    await asyncio.sleep(0)
    if cancelled:
        one.cancel()
    first.go.set()
    assert await other == "again" and second.runs == 1
    assert isinstance((await asyncio.gather(one, return_exceptions=True))[0], BaseException)


async def test_the_second_may_go_and_the_first_does_not_mind() -> None:
    shared, first = Shared[str](), Work("done")
    one = _do(shared, first, [])
    await first.begun.wait()
    other = _do(shared, Work("again"), [])
    await asyncio.sleep(0)
    other.cancel()
    await asyncio.gather(other, return_exceptions=True)
    first.go.set()
    assert await one == "done"


async def test_another_time_is_another_run() -> None:
    shared, work = Shared[str](), Work("done")
    work.go.set()
    assert await _do(shared, work, []) == await _do(shared, work, []) == "done" and work.runs == 2


async def test_who_comes_late_hears_of_very_much_only_the_beginning() -> None:
    shared, said, heard = Shared[str](), list[bytes](), list[bytes]()
    begun, go = asyncio.Event(), asyncio.Event()

    async def work(hear: Hear) -> str:
        for _ in range(5):
            hear(1, b"x" * (LATE // 2 - 1))
        begun.set()
        await go.wait()
        hear(1, b"end")
        return "done"

    one = asyncio.create_task(shared.do("key", work, lambda _, data: heard.append(data)))
    await begun.wait()
    other = _do(shared, Work("again"), said)
    await asyncio.sleep(0)
    go.set()
    assert await one == await other == "done"
    assert len(heard) == 6 and [len(data) for data in said[:2]] == [LATE // 2 - 1] * 2
    assert said[2:] == [CLIPPED, b"end"]
