"""A builder for tests of the API that build nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from corral.build.context import Context
from corral.build.request import BuildEvent, BuildRequest, Built
from corral.build.usage import Pruned, Usage
from corral.errors import NotFound


class FakeBuilder:
    """Every build ends well at once."""

    @asynccontextmanager
    async def context(
        self,
        body: AsyncIterator[bytes] | None = None,
        *,
        remote: str = "",
        dockerfile: str = "",
        filtered: bool = False,
    ) -> AsyncIterator[Context]:
        received = [piece async for piece in body] if body else []
        assert all(received)
        yield Context("/nonexistent")

    async def build(self, request: BuildRequest) -> AsyncGenerator[BuildEvent, None]:
        yield Built("sha256:" + "1" * 64, request.tags)

    async def cancel(self, id: str) -> None:
        raise NotFound(f"no build with the id {id} is running")

    async def usage(self) -> list[Usage]:
        return []

    async def prune(self, filters: object = None, *, room: object = None, all: bool = False) -> Pruned:
        return Pruned([], 0)
