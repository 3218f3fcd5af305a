"""All controllers, by name. `run` is the controller manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from corral.cluster.client.protocol import Client
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.shared import Shared

# What makes each, under upstream's name of the controller.
CONTROLLERS: Final[Mapping[str, Callable[[Shared], Controller]]] = MappingProxyType({})


def make(shared: Shared, names: Iterable[str] = CONTROLLERS) -> list[Controller]:
    """The controllers, not yet running. KeyError for a name that is none."""
    return [CONTROLLERS[name](shared) for name in names]


async def run(client: Client, names: Iterable[str] = CONTROLLERS) -> None:
    """Runs them, with their informers and their events, until it is cancelled."""
    await run_all(shared := Shared(client), make(shared, names))


async def run_all(shared: Shared, controllers: Iterable[Controller]) -> None:
    """Runs controllers that were made with `shared`, until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(shared.informers.run(), name="informers")
        group.create_task(shared.events.run(), name="events")
        for controller in controllers:
            group.create_task(controller.run(), name=controller.name)
