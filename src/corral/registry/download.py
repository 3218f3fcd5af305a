"""Download: a blob on its way from an upstream into the content store, and those who read along.

Nobody gets the last byte before the digest was right: what is broken is never given out whole.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from corral.errors import HostError, RemoteFailed
from corral.images.content import Content
from corral.images.remote.documents import Blob
from corral.images.remote.fetching import Fetch, Source
from corral.images.remote.hub import Hub
from corral.images.remote.threads import blocking

PIECE: Final = 1 << 18
PATIENCE: Final = 300.0  # seconds; more than the longest pause that an upstream may ask for
SLOWEST: Final = 300_000  # bytes that have to come in that time


class Download:
    """One of them: `run` does it; `begun`, `wait` and `chunks` are for those who want it, and raise what it raises."""

    def __init__(self, content: Content, digest: str, size: int) -> None:
        self.digest, self.size, self._content = digest, size, content
        self._loop = asyncio.get_running_loop()
        self._have = 0
        self._changed = asyncio.Event()
        self._result: asyncio.Future[None] = self._loop.create_future()
        self._fetch: Fetch | None = None

    async def run(
        self, hub: Hub, slots: asyncio.Semaphore, source: Source, record: Callable[[], Awaitable[None]]
    ) -> None:
        """From the first byte to the record that names the blob; begins when there is a slot."""
        try:
            async with slots:
                await self._bring(hub, source, record)
        except BaseException as error:
            self._result.set_exception(error)
            self._result.exception()  # seen, also when nobody reads along any more
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            self._result.set_result(None)
        finally:
            self._wake()

    async def _bring(self, hub: Hub, source: Source, record: Callable[[], Awaitable[None]]) -> None:
        with self._content.pinned(self.digest):
            self._content.need_room(self.digest, self.size)
            async with hub.fetching(Blob(self.digest, self.size), [source]) as fetch:
                self._fetch = fetch
                fetch.listeners.append(self._hear)
                await self._all(fetch, asyncio.ensure_future(blocking("fetch", fetch.wait)))
            await record()

    async def _all(self, fetch: Fetch, coming: asyncio.Future[None]) -> None:
        """Waits for it as long as it moves, once it has begun: what comes by drops would hold its slot for ever.
        RemoteFailed."""
        try:
            while not coming.done():
                before = self._have
                done, _ = await asyncio.wait([coming], timeout=PATIENCE)
                if not done and fetch.path and self._have - before < SLOWEST:
                    few = f"less than {SLOWEST} bytes in {PATIENCE:g} seconds"
                    raise RemoteFailed(f"the blob {self.digest} comes too slowly, {few}: given up")
            coming.result()
        finally:
            if coming.cancel():
                await asyncio.wait([coming])

    def _hear(self, status: str, current: int) -> None:
        """In the thread that downloads."""
        self._loop.call_soon_threadsafe(self._grown, current)

    def _grown(self, current: int) -> None:
        self._have = max(self._have, current)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Until it is here."""
        await asyncio.shield(self._result)

    async def begun(self) -> None:
        """Until there is something to read."""
        await self._beyond(0)

    async def _beyond(self, at: int) -> int:
        """How many bytes may be read: more than `at`, unless that is all."""
        while not self._result.done():
            if min(self._have, self.size - 1) > at:
                return min(self._have, self.size - 1)
            await self._changed.wait()
        self._result.result()
        return self.size

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """All bytes, each as soon as it is here, the last ones when all are known to be right."""
        fd, at = self._open(), 0
        try:
            while at < self.size:
                have = await self._beyond(at)
                while at < have:
                    data = os.pread(fd, min(PIECE, have - at), at)
                    if not data:
                        raise HostError(f"blob {self.digest} is shorter on disk than it was")
                    at += len(data)
                    yield data
        finally:
            os.close(fd)

    def _open(self) -> int:
        """Its scratch file, or by now the blob."""
        with suppress(FileNotFoundError):
            if self._fetch is not None and self._fetch.path:
                return os.open(self._fetch.path, os.O_RDONLY | os.O_CLOEXEC)
        return os.open(self._content.path(self.digest), os.O_RDONLY | os.O_CLOEXEC)
