"""A client's connection that is watched for idleness, and the work that ends with it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from corral.http.message import ClientGone
from corral.http.stream import Duplex

IDLE_SECONDS: Final = 4 * 3600.0


class Timed:
    """The same stream; `idle` returns when nothing has gone through it for `seconds`."""

    def __init__(self, stream: Duplex, seconds: float = IDLE_SECONDS) -> None:
        self._stream, self._seconds = stream, seconds
        self._loop = asyncio.get_running_loop()
        self._last = self._loop.time()
        self.gone = stream.gone

    async def read(self) -> bytes:
        data = await self._stream.read()
        self._last = self._loop.time()
        return data

    async def write(self, data: bytes) -> None:
        self._last = self._loop.time()
        await self._stream.write(data)

    async def idle(self) -> None:
        silent = False
        while not silent:
            left = self._last + self._seconds - self._loop.time()
            silent = left <= 0
            await asyncio.sleep(max(left, 0))

    async def run(self, *works: Coroutine[Any, Any, object]) -> None:
        """Runs all of them until the first has ended, the client has left or has been idle for too long; then none
        runs any more. Raises what the first one raised, ClientGone excepted."""
        tasks = [asyncio.create_task(work) for work in (*works, self.idle(), self.gone.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        for error in ended:
            if isinstance(error, Exception) and not isinstance(error, ClientGone):
                raise error
