"""Holding still the containers that have a volume, while a copy of it is taken."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.remove import volume_users
from corral.engine.stop import pause, unpause
from corral.errors import Conflict, NotFound


@asynccontextmanager
async def frozen(parts: Parts, volume: str) -> AsyncIterator[None]:
    """All that run and have the volume are paused, as a user would do it, and go on at the end."""
    async with AsyncExitStack() as thaw:
        for id in volume_users(parts, volume):
            with suppress(Conflict, NotFound):  # it does not run, is paused already, or has gone
                live = parts.registry.get(id)
                await pause(parts, live)
                thaw.push_async_callback(_go_on, parts, live)
        yield


async def _go_on(parts: Parts, live: Live) -> None:
    with suppress(Conflict):  # somebody else has let it go on, or ended it
        await unpause(parts, live)
