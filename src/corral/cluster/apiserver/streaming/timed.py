"""A client's connection that is watched for idleness."""

from __future__ import annotations

import asyncio
from typing import Final

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
        while (left := self._last + self._seconds - self._loop.time()) > 0:
            await asyncio.sleep(left)
