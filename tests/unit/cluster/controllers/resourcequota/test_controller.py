from __future__ import annotations

from typing import Any

from corral.cluster.client.builtin import JOBS, PODS
from corral.cluster.controllers.resourcequota.controller import ResourceQuotaController
from corral.cluster.controllers.resources import QUOTAS
from tests.support.world import World, working

RESOURCES = {"resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1"}}}
CONTAINERS = [{"name": "main", "image": "busybox", **RESOURCES}]


def controller(world: World) -> ResourceQuotaController:
    return ResourceQuotaController(world.shared, world.resources)


async def quota(world: World, name: str, hard: dict[str, str], **spec: Any) -> None:
    await world.create(QUOTAS, {"metadata": {"name": name}, "spec": {"hard": hard, **spec}}, "default")


async def used(world: World, name: str, wanted: dict[str, str]) -> None:
    await world.until_one(QUOTAS, name, lambda one: one["status"]["used"] == wanted)


async def test_what_is_used_is_counted_as_it_comes_and_goes() -> None:
    async with working(controller) as world:
        hard = {"pods": "10", "requests.cpu": "4", "limits.cpu": "8", "memory": "8Gi", "count/jobs.batch": "3"}
        await quota(world, "all", hard)
        none = {"pods": "0", "requests.cpu": "0", "limits.cpu": "0", "memory": "0", "count/jobs.batch": "0"}
        await used(world, "all", none)
        pods = [await world.pod(f"p{n}", spec={"containers": CONTAINERS}) for n in range(3)]
        three = {"pods": "3", "requests.cpu": "1500m", "limits.cpu": "3", "memory": "3Gi", "count/jobs.batch": "0"}
        await used(world, "all", three)
        await world.status(PODS, pods[0], {"phase": "Succeeded"})
        await world.client.delete(PODS, "p1", "default", options={"gracePeriodSeconds": 0})
        one = {"pods": "1", "requests.cpu": "500m", "limits.cpu": "1", "memory": "1Gi", "count/jobs.batch": "0"}
        await used(world, "all", one)
        template = {"spec": {"containers": [{"name": "main", "image": "busybox"}], "restartPolicy": "Never"}}
        await world.create(JOBS, {"metadata": {"name": "j"}, "spec": {"template": template}}, "default")
        await used(world, "all", {**one, "count/jobs.batch": "1"})


async def test_a_quota_with_scopes_counts_only_its_pods() -> None:
    async with working(controller) as world:
        await quota(world, "effort", {"pods": "10"}, scopes=["BestEffort"])
        await quota(world, "other", {"pods": "10"}, scopes=["NotBestEffort"])
        await world.pod("plain")
        await world.pod("asks", spec={"containers": CONTAINERS})
        await world.pod("asks-too", spec={"containers": CONTAINERS})
        await used(world, "effort", {"pods": "1"})
        await used(world, "other", {"pods": "2"})
