"""Shared: the same work of several builds is done once, by the first; the others wait and hear what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")
Hear = Callable[[int, bytes], None]

LATE = 2 << 20  # bytes that are kept for who comes later
CLIPPED = b"[output clipped: it had said more before this build came]\n"


class _One(Generic[T]):
    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self.ears: list[Hear] = []
        self._room = LATE
        self.result: asyncio.Future[T | None] = asyncio.get_running_loop().create_future()

    def hear(self, stream: int, data: bytes) -> None:
        if self._room > 0:
            self._room -= len(data)
            self.said.append((stream, data) if self._room > 0 else (2, CLIPPED))
        for ear in self.ears:
            ear(stream, data)


class Shared(Generic[T]):
    """Work by key."""

    def __init__(self) -> None:
        self._running: dict[Hashable, _One[T]] = {}

    async def do(self, key: Hashable, work: Callable[[Hear], Awaitable[T]], hear: Hear) -> T:
        """The result of `work`, or of the same work that another does just now. `hear` is told what it says, from its
        beginning (of very much only that). Where the other gives up or fails, it is done here: it may have failed for
        reasons of its own."""
        while (one := self._running.get(key)) is not None:
            for said in one.said:
                hear(*said)
            one.ears.append(hear)
            try:
                result = await asyncio.shield(one.result)
            finally:
                one.ears.remove(hear)
            if result is not None:
                return result
        return await self._first(key, work, hear)

    async def _first(self, key: Hashable, work: Callable[[Hear], Awaitable[T]], hear: Hear) -> T:
        one = self._running[key] = _One[T]()
        one.ears.append(hear)
        result: T | None = None
        try:
            result = await work(one.hear)
            return result
        finally:
            del self._running[key]
            one.result.set_result(result)
