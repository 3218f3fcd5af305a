"""Download: a blob on its way from an upstream into the content store, and those who read along.

Nobody gets the last byte before the digest was right: what is broken is never given out whole. And nobody gets the
first one before the upstream has shown that it has the blob in the repository that is asked for: the bytes may be here
already, for somebody else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Final

from corral.errors import HostError, InvalidInput, RemoteFailed
from corral.images.content import Content
from corral.images.remote.cancel import Cancel
from corral.images.remote.documents import Blob
from corral.images.remote.fetching import Fetch, Source
from corral.images.remote.hub import Hub
from corral.images.remote.repository import Part
from corral.images.remote.threads import blocking

PIECE: Final = 1 << 18
PATIENCE: Final = 300.0  # seconds; more than the longest pause that an upstream may ask for
SLOWEST: Final = 300_000  # bytes that have to come in that time


class Download:
    """One of them: `run` does it; `begun`, `wait` and `chunks` are for those who want it, and raise what it raises.

    `url`: the upstream's, for messages. `prove` asks the upstream whether it has the blob, and raises if it has not.
    """

    def __init__(
        self, content: Content, digest: str, size: int, url: str, prove: Callable[[], Awaitable[object]]
    ) -> None:
        self.digest, self.size, self._content, self._url, self._prove = digest, size, content, url, prove
        self._loop = asyncio.get_running_loop()
        self._have = 0
        self._proven = False
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
            self._result.set_exception(self._named(error))
            self._result.exception()  # seen, also when nobody reads along any more
            if isinstance(error, asyncio.CancelledError):
                raise
        else:
            self._result.set_result(None)
        finally:
            self._wake()

    def _named(self, error: BaseException) -> BaseException:
        """What came from the upstream bears its name."""
        if isinstance(error, RemoteFailed | InvalidInput) and self._url not in error.message:
            return RemoteFailed(f"{self._url}: {error.message}")
        return error

    async def _bring(self, hub: Hub, source: Source, record: Callable[[], Awaitable[None]]) -> None:
        with self._content.pinned(self.digest):
            self._content.need_room(self.digest, self.size)
            if self._content.has(self.digest):
                await self._need_proof()
            async with hub.fetching(Blob(self.digest, self.size), [self._proving(source)]) as fetch:
                self._fetch = fetch
                fetch.listeners.append(self._hear)
                await self._all(fetch, asyncio.ensure_future(blocking("fetch", fetch.wait)))
            await self._need_proof()  # where another download brought it, or a push meanwhile
            await record()

    async def _need_proof(self) -> None:
        if not self._proven:
            await self._prove()
            self._proven = True

    def _proving(self, source: Source) -> Source:
        """The same; what it gives is the proof."""

        def open_at(offset: int, cancel: Cancel) -> Part:
            part = source(offset, cancel)
            self._proven = True
            return part

        return open_at

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
        if not self._proven:
            return
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
        fd, at = await self._opened(), 0
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

    async def _opened(self) -> int:
        """Its scratch file, or by now the blob; where there is neither, it has failed."""
        with suppress(FileNotFoundError):
            if self._fetch is not None and self._fetch.path:
                return os.open(self._fetch.path, os.O_RDONLY | os.O_CLOEXEC)
        await self.wait()
        return os.open(self._content.path(self.digest), os.O_RDONLY | os.O_CLOEXEC)
