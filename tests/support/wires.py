"""Two ends of a connection within one process."""

from __future__ import annotations

import asyncio

from corral.http.message import ClientGone


class Wire:
    """One end: what is written here is read at the other."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self.other: Wire
        self._came: asyncio.Queue[bytes] = asyncio.Queue()

    async def read(self) -> bytes:
        return await self._came.get()

    async def write(self, data: bytes) -> None:
        if self.gone.is_set():
            raise ClientGone("the client has gone")
        self.other.feed(data)
        await asyncio.sleep(0)

    def feed(self, data: bytes) -> None:
        """As if the other end had written it; b"" is its end."""
        self._came.put_nowait(data)

    def end(self) -> None:
        """Both ends see that the other has gone."""
        for one in (self, self.other):
            one.gone.set()
            one.feed(b"")


def wires() -> tuple[Wire, Wire]:
    one, two = Wire(), Wire()
    one.other, two.other = two, one
    return one, two
