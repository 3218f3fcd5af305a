"""Agents: the socket of an ssh agent, handed into a sandbox with an owner and a mode of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

PIECE = 1 << 14
Lead = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(path: str, lead: Lead) -> AsyncIterator[None]:
    """A socket at `path`, for the while: `lead` has each connection until it returns, or the while is over."""
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            with suppress(OSError):  # the other side has gone: this one sees a closed connection
                await lead(reader, writer)
        finally:
            writer.close()
            busy.discard(task)

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


@asynccontextmanager
async def forwarded(agent: str, path: str, owner: tuple[int, int], mode: int) -> AsyncIterator[None]:
    """A socket at `path`, for the while, that leads to the agent's."""

    async def lead(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs_in, theirs_out = await asyncio.open_unix_connection(agent)
        try:
            await asyncio.gather(_pump(reader, theirs_out), _pump(theirs_in, writer))
        finally:
            theirs_out.close()

    async with listening(path, lead):
        os.chown(path, *owner)
        os.chmod(path, mode)
        yield


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Hands on what is said, and that nothing more will be."""
    while data := await source.read(PIECE):
        target.write(data)
        await target.drain()
    target.write_eof()
