"""Controllers that are killed between two of their writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from corral.cluster.controllers.assembly import run_all
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.shared import Shared
from tests.support.world import World


class Mortal:
    """A client that stops for ever after so many writes."""

    def __init__(self, client: Any, writes: int) -> None:
        self._client, self._left = client, writes
        self.dead = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._counted(found) if name in ("create", "update", "patch", "delete") else found

    def _counted(self, act: Any) -> Any:
        async def counted(*args: Any, **options: Any) -> Any:
            if self._left == 0:
                self.dead.set()
                await asyncio.Event().wait()
            self._left -= 1
            return await act(*args, **options)

        return counted


async def life(world: World, make: Callable[[Shared], Iterable[Controller]], writes: int) -> bool:
    """Controllers work until they are killed, or have nothing more to do. Whether they were killed."""
    mortal = Mortal(world.client, writes)
    shared = Shared(mortal)  # type: ignore[arg-type]
    made = list(make(shared))
    task = asyncio.create_task(run_all(shared, made))
    calm = asyncio.create_task(_calm(world, shared, made))
    dead = asyncio.create_task(mortal.dead.wait())
    await asyncio.wait([calm, dead], return_when=asyncio.FIRST_COMPLETED)
    killed = mortal.dead.is_set()
    for one in (task, calm, dead):
        one.cancel()
    await asyncio.gather(task, calm, dead, return_exceptions=True)
    return killed


async def _calm(world: World, shared: Shared, made: list[Controller]) -> None:
    await shared.informers.synced()
    await world.calm(*made)
