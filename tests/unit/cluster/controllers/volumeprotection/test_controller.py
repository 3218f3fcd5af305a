from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, PODS
from corral.cluster.controllers.resources import VOLUMES
from corral.cluster.controllers.volumeprotection.controller import ClaimProtection, VolumeProtection
from tests.support.world import working

RWO = {"accessModes": ["ReadWriteOnce"]}


async def test_a_claim_stays_as_long_as_a_pod_uses_it() -> None:
    async with working(ClaimProtection) as world:
        spec = {**RWO, "resources": {"requests": {"storage": "1Gi"}}}
        await world.create(CLAIMS, {"metadata": {"name": "data"}, "spec": spec}, "default")
        await world.until_one(CLAIMS, "data", lambda one: one["metadata"]["finalizers"])
        volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
        await world.pod("p", spec={"nodeName": "n1", "volumes": volumes})
        await world.client.delete(CLAIMS, "data", "default")
        await world.until_one(CLAIMS, "data", meta.deleting)
        await world.client.delete(PODS, "p", "default", options={"gracePeriodSeconds": 0})
        await world.until_gone(CLAIMS, "data")


async def test_a_volume_stays_as_long_as_it_is_bound() -> None:
    async with working(VolumeProtection) as world:
        spec = {**RWO, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/nowhere"}}
        made = await world.create(VOLUMES, {"metadata": {"name": "v"}, "spec": spec})
        await world.until_one(VOLUMES, "v", lambda one: one["metadata"]["finalizers"])
        await world.status(VOLUMES, made, {"phase": "Bound"})
        await world.client.delete(VOLUMES, "v")
        found = await world.until_one(VOLUMES, "v", meta.deleting)
        await world.status(VOLUMES, found, {"phase": "Released"})
        await world.until_gone(VOLUMES, "v")
