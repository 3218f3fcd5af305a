"""A controller that is killed between any two of its writes leaves nothing that the next one does not finish."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client.builtin import CLAIMS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.assembly import run_all
from corral.cluster.controllers.persistentvolume.controller import PersistentVolumeController
from corral.cluster.controllers.persistentvolume.local import LocalDirectories
from corral.cluster.controllers.resources import STORAGE_CLASSES, VOLUMES
from corral.cluster.controllers.shared import Shared
from tests.support.world import World, working

STEPS = 8


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


async def life(world: World, folder: Path, writes: int) -> None:
    """A controller works until it is killed, or has nothing more to do."""
    mortal = Mortal(world.client, writes)
    shared = Shared(mortal)  # type: ignore[arg-type]
    made = PersistentVolumeController(shared, LocalDirectories(str(folder)))
    task = asyncio.create_task(run_all(shared, [made]))
    await shared.informers.synced()
    calm = asyncio.create_task(world.calm(made))
    await asyncio.wait([calm, asyncio.create_task(mortal.dead.wait())], return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    calm.cancel()
    await asyncio.gather(task, calm, return_exceptions=True)


@pytest.mark.parametrize("writes", range(STEPS))
async def test_claims_are_bound_and_volumes_reclaimed_whenever_it_is_killed(writes: int, tmp_path: Path) -> None:
    async with working() as world:
        await world.create(STORAGE_CLASSES, {"metadata": {"name": "now"}, "provisioner": "corral.dev/local"})
        await world.node("n1", status={"conditions": [{"type": "Ready", "status": "True"}]})
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "now",
        }
        await world.create(CLAIMS, {"metadata": {"name": "data"}, "spec": spec}, "default")
        await life(world, tmp_path, writes)
        await life(world, tmp_path, 1000)
        claim = await world.client.get(CLAIMS, "data", "default")
        volumes: list[Object] = (await world.client.list(VOLUMES)).items
        assert [one["metadata"]["name"] for one in volumes] == [claim["spec"]["volumeName"]]
        assert (claim["status"]["phase"], volumes[0]["status"]["phase"]) == ("Bound", "Bound")
        await world.client.delete(CLAIMS, "data", "default")
        await life(world, tmp_path, writes)
        await life(world, tmp_path, 1000)
        assert (await world.client.list(VOLUMES)).items == []
        assert list(tmp_path.iterdir()) == []
