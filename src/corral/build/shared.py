"""Shared: the same work of several builds is done once, by the first; the others wait and hear what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


class Ear(Protocol):
    """Who is told what a process writes (1 stdout, 2 stderr)."""

    @property
    def free(self) -> bool:
        """Whether it can take more."""

    def hear(self, stream: int, data: bytes) -> None: ...

    async def room(self) -> None:
        """Returns when it is free."""


LATE = 2 << 20  # bytes that are kept for who comes later
_PIECE = 16 << 10
CLIPPED = b"[output clipped: it had said more before this build came]\n"


class _One(Generic[T]):
    """One piece of work, an ear itself. It waits for the quickest of those who hear: one that stands still stops
    nobody else's build, and loses what it could not take."""

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self.ears: list[Ear] = []
        self._room = LATE
        self._joined = asyncio.Event()
        self.result: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()

    def hear(self, stream: int, data: bytes) -> None:
        if self._room > 0:
            self._room -= len(data)
            self._note(*((stream, data) if self._room > 0 else (2, CLIPPED)))
        for ear in self.ears:
            ear.hear(stream, data)

    def _note(self, stream: int, data: bytes) -> None:
        """In few pieces: who comes later is told all of them at once."""
        if self.said and self.said[-1][0] == stream and len(self.said[-1][1]) < _PIECE:
            data = self.said.pop()[1] + data
        self.said.append((stream, data))

    def join(self, ear: Ear) -> None:
        self.ears.append(ear)
        self._joined.set()

    @property
    def free(self) -> bool:
        return any(ear.free for ear in self.ears)

    async def room(self) -> None:
        if self.free:
            return
        self._joined.clear()
        waits = [asyncio.ensure_future(wait) for wait in (self._joined.wait(), *(ear.room() for ear in self.ears))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


class Shared(Generic[T]):
    """Work by key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _One[T]] = {}

    async def do(self, key: Hashable, work: Callable[[Ear], Awaitable[T]], ear: Ear) -> T:
        """The result of `work`, or of the same work that another does just now. `ear` is told what it says, from its
        beginning (of very much only that). Where the other gives up or fails, it is done here: it may have failed for
        reasons of its own."""
        while (one := self._running.get(key)) is not None:
            for said in one.said:
                ear.hear(*said)
            one.join(ear)
            try:
                result = await asyncio.shield(one.result)
            finally:
                one.ears.remove(ear)
            if result is not None:
                return result
        return await self._first(key, work, ear)

    async def _first(self, key: Hashable, work: Callable[[Ear], Awaitable[T]], ear: Ear) -> T:
        one = self._running[key] = _One[T]()
        one.join(ear)
        result: T | None = None
        try:
            result = await work(one)
            return result
        finally:
            del self._running[key]
            one.result.set_result(result)
