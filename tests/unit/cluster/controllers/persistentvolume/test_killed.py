"""A controller that is killed between any two of its writes leaves nothing that the next one does not finish."""

from __future__ import annotations

from pathlib import Path

import pytest

from corral.cluster.client.builtin import CLAIMS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.persistentvolume.controller import PersistentVolumeController
from corral.cluster.controllers.persistentvolume.local import LocalDirectories
from corral.cluster.controllers.resources import STORAGE_CLASSES, VOLUMES
from corral.cluster.controllers.shared import Shared
from tests.support.mortal import life
from tests.support.world import working

STEPS = 8


@pytest.mark.parametrize("writes", range(STEPS))
async def test_claims_are_bound_and_volumes_reclaimed_whenever_it_is_killed(writes: int, tmp_path: Path) -> None:
    def make(shared: Shared) -> list[Controller]:
        return [PersistentVolumeController(shared, LocalDirectories(str(tmp_path)))]

    async with working() as world:
        await world.create(STORAGE_CLASSES, {"metadata": {"name": "now"}, "provisioner": "corral.dev/local"})
        await world.node("n1", status={"conditions": [{"type": "Ready", "status": "True"}]})
        spec = {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "now",
        }
        await world.create(CLAIMS, {"metadata": {"name": "data"}, "spec": spec}, "default")
        await life(world, make, writes)
        await life(world, make, 1000)
        claim = await world.client.get(CLAIMS, "data", "default")
        volumes: list[Object] = (await world.client.list(VOLUMES)).items
        assert [one["metadata"]["name"] for one in volumes] == [claim["spec"]["volumeName"]]
        assert (claim["status"]["phase"], volumes[0]["status"]["phase"]) == ("Bound", "Bound")
        await world.client.delete(CLAIMS, "data", "default")
        await life(world, make, writes)
        await life(world, make, 1000)
        assert (await world.client.list(VOLUMES)).items == []
        assert list(tmp_path.iterdir()) == []
