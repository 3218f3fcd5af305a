"""The builder: the door to builds. What a build is made with is loaded by the first one: a daemon starts without."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import IO, TYPE_CHECKING, cast

from corral.build.request import BuildEvent, BuildFailed, BuildRequest
from corral.build.usage import Pruned, Room, Usage, cache_limit, prune, trim, usage
from corral.build.works import Works
from corral.engine.engine import Engine
from corral.errors import Conflict, NotFound
from corral.kit.ids import new_id

if TYPE_CHECKING:
    from corral.build.client import Client
    from corral.build.context import Context


class Builder:
    """Builds images on an engine. One for each engine; made with `open`, closed before the engine is.

    A build that ends early, because it failed, was cancelled, or nobody listens any more, leaves nothing running;
    what its finished steps made stays in the cache.
    """

    def __init__(self, works: Works) -> None:
        self._works = works
        self._running: dict[str, asyncio.Task[None]] = {}

    @classmethod
    async def open(cls, engine: Engine) -> Builder:
        """Takes up what earlier builds left to be reused, and removes what a crash left half made."""
        return cls(await Works.open(engine))

    async def close(self) -> None:
        """Cancels all builds, and waits for that."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        await self._works.close()

    @property
    def scratch(self) -> str:
        """Where what a build needs for a while may lie: in memory, and gone when a daemon starts."""
        return self._works.scratch

    @property
    def gateway(self) -> str:
        """The host's address as a RUN sees it ("host-gateway")."""
        return self._works.engine.parts.networks.gateway

    @property
    def limit(self) -> int:
        """How many bytes may be kept for later builds; 0 is no limit."""
        return cache_limit(self._works)

    def spool(self) -> IO[bytes]:
        """A file without a name, for what a build gives out faster, or in another order, than it is taken."""
        os.makedirs(self._works.contexts, mode=0o700, exist_ok=True)
        return cast(IO[bytes], tempfile.TemporaryFile(dir=self._works.contexts))

    def context(
        self,
        body: AsyncIterator[bytes] | None = None,
        *,
        remote: str = "",
        dockerfile: str = "",
        filtered: bool = False,
        ssh_agent: str = "",
    ) -> AbstractAsyncContextManager[Context]:
        """The directory that a build is made from, for the while: see `context.receive`."""
        from corral.build.context import receive

        works, name = self._works, dockerfile or "Dockerfile"
        memory = works.sandboxes.remap is None  # the mapped view of the instance's directories shows no mounts
        return receive(
            works.contexts, body, remote=remote, dockerfile=name, fetcher=works.fetcher, filtered=filtered,
            afterwork=works.afterwork, ssh_agent=ssh_agent, memory=memory,
        )  # fmt: skip

    async def build(self, request: BuildRequest, client: Client | None = None) -> AsyncGenerator[BuildEvent, None]:
        """What happens, as it happens; `Built` is last. Closing it cancels the build. `client` is asked for what the
        request does not have.

        BuildFailed, Unsupported, and what pulling and running raise. Conflict where a build with the same id runs.
        """
        from corral.build.building import Building

        id = request.id or new_id()
        if id in self._running:
            raise Conflict(f"a build with the id {id} is running")
        building = Building(self._works, request, client)
        task = self._running[id] = asyncio.create_task(building.run(), name=f"build {id[:12]}")
        task.add_done_callback(lambda _: building.telling.end())
        try:
            async for event in building.telling:
                yield event
            if task.cancelled():
                raise BuildFailed("context canceled")
            task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            del self._running[id]
            self._keep_small()

    def _keep_small(self) -> None:
        """Nobody waits for it. One is enough for all builds that end before its turn comes."""
        if self._works.records.grown:
            self._works.records.grown = False
            self._works.afterwork.add("trim the build cache", lambda: trim(self._works))

    async def cancel(self, id: str) -> None:
        """Ends a build by its request's id; returns when nothing of it is left. NotFound."""
        task = self._running.get(id)
        if task is None:
            raise NotFound(f"no build with the id {id} is running")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def usage(self) -> list[Usage]:
        """What is kept for later builds, each with its size (`docker builder du`)."""
        return await usage(self._works)

    async def prune(
        self, filters: dict[str, list[str]] | None = None, *, room: Room | None = None, all: bool = False
    ) -> Pruned:
        """Removes what is kept and not in use: without `all`, only what no image has too. What `room` leaves is that
        used last. InvalidInput for a filter that is none."""
        return await prune(self._works, filters or {}, room or Room(), all)
