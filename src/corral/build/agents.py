"""Agents: the socket of an ssh agent, handed into a sandbox with an owner and a mode of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PIECE = 1 << 14


@asynccontextmanager
async def forwarded(agent: str, path: str, owner: tuple[int, int], mode: int) -> AsyncIterator[None]:
    """A socket at `path`, for the while, that leads to the agent's."""
    busy: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        busy.add(task)
        try:
            with suppress(OSError):  # the agent has gone: the client sees a closed connection
                theirs_in, theirs_out = await asyncio.open_unix_connection(agent)
                try:
                    await asyncio.gather(_pump(reader, theirs_out), _pump(theirs_in, writer))
                finally:
                    theirs_out.close()
        finally:
            writer.close()
            busy.discard(task)

    server = await asyncio.start_unix_server(serve, path)
    try:
        os.chown(path, *owner)
        os.chmod(path, mode)
        yield
    finally:
        server.close()
        for task in busy:
            task.cancel()
        await asyncio.gather(*busy, return_exceptions=True)


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Hands on what is said, and that nothing more will be."""
    while data := await source.read(_PIECE):
        target.write(data)
        await target.drain()
    target.write_eof()
