from __future__ import annotations

from typing import Any

from corral.cluster.client.builtin import PODS, SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.endpoints.controller import EndpointsController
from corral.cluster.controllers.resources import ENDPOINTS
from tests.support.world import working


def subset(found: Object) -> Any:
    return [
        (
            [one["ip"] for one in part.get("addresses", ())],
            [one["ip"] for one in part.get("notReadyAddresses", ())],
            [one["port"] for one in part.get("ports", ())],
        )
        for part in found.get("subsets") or ()
    ]


async def test_a_service_has_endpoints_as_long_as_it_is_there() -> None:
    async with working(EndpointsController) as world:
        await world.service("web", ports=[{"name": "a", "port": 80}, {"name": "b", "port": 81, "targetPort": 8081}])
        await world.until_one(ENDPOINTS, "web", lambda one: not one.get("subsets"))
        for n in (1, 2):
            pod = await world.pod(f"web-{n}", labels={"app": "web"}, spec={"nodeName": "n1"})
            await world.running(pod, f"10.0.0.{n}", ready=n == 1)
        wanted = [(["10.0.0.1"], ["10.0.0.2"], [80, 8081])]
        found = await world.until_one(ENDPOINTS, "web", lambda one: subset(one) == wanted)
        assert found["metadata"]["labels"] == {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}
        await world.client.delete(PODS, "web-1", "default")
        await world.until_one(ENDPOINTS, "web", lambda one: subset(one) == [([], ["10.0.0.2"], [80, 8081])])
        await world.client.delete(SERVICES, "web", "default")
        await world.until_gone(ENDPOINTS, "web")


async def test_what_nobody_selects_is_left_to_its_owner() -> None:
    async with working(EndpointsController) as world:
        await world.service("db", selector=None)
        own = {"metadata": {"name": "db"}, "subsets": [{"addresses": [{"ip": "192.0.2.1"}], "ports": [{"port": 5432}]}]}
        await world.create(ENDPOINTS, own, "default")
        await world.service("web")
        await world.until_one(ENDPOINTS, "web", lambda one: True)
        found = await world.client.get(ENDPOINTS, "db", "default")
        assert subset(found) == [(["192.0.2.1"], [], [5432])]
        await world.client.delete(SERVICES, "db", "default")
        await world.until_gone(ENDPOINTS, "db")


async def test_what_never_had_a_service_stays() -> None:
    async with working(EndpointsController) as world:
        await world.create(ENDPOINTS, {"metadata": {"name": "own"}}, "default")
        old = {"metadata": {"name": "old", "labels": {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}}}
        await world.create(ENDPOINTS, old, "default")
        await world.until_gone(ENDPOINTS, "old")
        await world.service("web")
        await world.until_one(ENDPOINTS, "web", lambda one: True)
        assert await world.client.get(ENDPOINTS, "own", "default")
