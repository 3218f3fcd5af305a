"""A command or a console of a container, with a client at the other end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from corral.cluster.client.nodes import Streams
from corral.cluster.streaming.console import Console, exit_status
from corral.cluster.streaming.timed import Timed
from corral.errors import CorralError
from corral.model.kubernetes.status import StatusError, internal

OPEN_SECONDS: Final = 30.0  # for a client to open its streams

Start = Callable[[], Coroutine[Any, Any, Streams]]


async def serve(console: Console, wire: Timed, start: Start) -> None:
    """Starts the process when the client's streams are there, and moves bytes until it has ended or the client left.

    Neither waits for the other: a process goes on when its client has left.
    """
    session = _Session(console, start)
    try:
        await wire.run(console.run(session.resize), session.run())
    finally:
        await session.close()


class _Session:
    def __init__(self, console: Console, start: Start) -> None:
        self._console, self._start = console, start
        self._starting: asyncio.Task[Streams] | None = None
        self._streams: Streams | None = None
        self._size: tuple[int, int] | None = None  # that came before there was a terminal

    async def run(self) -> None:
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._console.ready.wait()
        except TimeoutError:
            await self._console.finish(internal("timed out waiting for client to create streams").status())
            return
        try:
            # A client that leaves meanwhile does not stop the start half-way: `close` sees to what it gives.
            self._starting = asyncio.create_task(self._start(), name="console start")
            streams = self._streams = await asyncio.shield(self._starting)
        except StatusError as error:
            await self._console.finish(error.status())
            return
        if self._size is not None:
            await streams.resize(*self._size)
        typed = asyncio.create_task(self._type(streams), name="console input")
        try:
            while (piece := await streams.read()) is not None:
                await self._console.output(*piece)
            code = await streams.wait()
        finally:
            typed.cancel()
            await asyncio.gather(typed, return_exceptions=True)
        await self._console.finish(exit_status(code))

    async def _type(self, streams: Streams) -> None:
        """What the client types. A process that reads no more gets no more."""
        if self._console.stdin is None:
            return
        deaf = False
        while data := await self._console.stdin.read():
            if not deaf:
                try:
                    await streams.write(data)
                except (OSError, CorralError):
                    deaf = True
        if not deaf:
            await streams.close_stdin()

    async def resize(self, height: int, width: int) -> None:
        if self._streams is None:
            self._size = height, width
        else:
            await self._streams.resize(height, width)

    async def close(self) -> None:
        if self._starting is None:
            return
        try:
            streams = await self._starting
        except StatusError:
            return  # the client has been told, or has left
        await streams.close()
