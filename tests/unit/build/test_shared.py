"""The same work once: who waits, who hears, and what happens when the first one does not make it."""

from __future__ import annotations

import asyncio

import pytest

from corral.build.events import CLIPPED as LOST
from corral.build.events import Telling
from corral.build.request import Printed
from corral.build.shared import CLIPPED, LATE, Ear, Shared


class Listener:
    """Writes down what it hears, and takes more while it is `taking`."""

    def __init__(self, said: list[bytes]) -> None:
        self.said, self.taking = said, asyncio.Event()
        self.taking.set()

    @property
    def free(self) -> bool:
        return self.taking.is_set()

    def hear(self, stream: int, data: bytes) -> None:
        self.said.append(data)

    async def room(self) -> None:
        await self.taking.wait()


class Work:
    """Work that says "begun", and ends when it is told to."""

    def __init__(self, result: str | BaseException) -> None:
        self.result, self.go, self.runs = result, asyncio.Event(), 0
        self.begun = asyncio.Event()

    async def __call__(self, ear: Ear) -> str:
        self.runs += 1
        ear.hear(1, b"begun")
        self.begun.set()
        await self.go.wait()
        if isinstance(self.result, BaseException):
            raise self.result
        return self.result


def _do(shared: Shared[str], work: Work, said: list[bytes]) -> asyncio.Task[str]:
    return asyncio.create_task(shared.do("key", work, Listener(said)))


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


async def test_who_comes_late_is_told_in_few_pieces() -> None:
    shared, said = Shared[str](), list[bytes]()
    begun, go = asyncio.Event(), asyncio.Event()

    async def work(ear: Ear) -> str:
        for number in range(3000):
            ear.hear(1, b"%d\n" % number)
        begun.set()
        await go.wait()
        return "done"

    one = asyncio.create_task(shared.do("key", work, Listener([])))
    await begun.wait()
    other = _do(shared, Work("again"), said)
    await asyncio.sleep(0)
    go.set()
    assert await one == await other == "done"
    assert len(said) == 1 and said[0].splitlines()[-1] == b"2999"


async def test_who_comes_late_hears_of_very_much_only_the_beginning() -> None:
    shared, said, heard = Shared[str](), list[bytes](), list[bytes]()
    begun, go = asyncio.Event(), asyncio.Event()

    async def work(ear: Ear) -> str:
        for _ in range(5):
            ear.hear(1, b"x" * (LATE // 2 - 1))
        begun.set()
        await go.wait()
        ear.hear(1, b"end")
        return "done"

    one = asyncio.create_task(shared.do("key", work, Listener(heard)))
    await begun.wait()
    other = _do(shared, Work("again"), said)
    await asyncio.sleep(0)
    go.set()
    assert await one == await other == "done"
    assert len(heard) == 6 and [len(data) for data in said[:2]] == [LATE // 2 - 1] * 2
    assert said[2:] == [CLIPPED, b"end"]


async def test_the_work_waits_for_the_quickest_of_those_who_hear() -> None:
    shared, slow, quick = Shared[str](), Listener([]), Listener([])
    slow.taking.clear()
    wrote = asyncio.Event()

    async def work(ear: Ear) -> str:
        ear.hear(1, b"much")
        wrote.set()
        await ear.room()
        return "done"

    one = asyncio.create_task(shared.do("key", work, slow))
    await wrote.wait()
    await asyncio.sleep(0)
    assert not one.done()
    assert await asyncio.create_task(shared.do("key", Work("again"), quick)) == "done"
    assert quick.said == [b"much"] and await one == "done"


async def test_a_build_that_nobody_reads_keeps_little() -> None:
    tell = Telling()
    with tell.vertex("RUN yes") as vertex:
        for _ in range(5000):
            vertex.hear(1, b"y")
        waiting = asyncio.create_task(vertex.room())
        await asyncio.sleep(0)
        assert tell.waiting == 1024 and not waiting.done()
        taken = [await anext(aiter(tell)) for _ in range(1024)]
        await waiting
        vertex.hear(1, b"z")
    tell.end()
    rest = [event async for event in tell]
    assert len(taken) == 1024 and rest[:2] == [Printed(1, LOST, 2), Printed(1, b"z", 1)]
