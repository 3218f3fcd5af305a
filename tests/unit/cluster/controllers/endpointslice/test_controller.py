from __future__ import annotations

from typing import Any

from corral.cluster.client.builtin import PODS, SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.endpointslice.controller import EndpointSliceController
from corral.cluster.controllers.resources import SLICES
from tests.support.world import World, working


def told(slices: list[Object], service: str) -> list[tuple[str, bool, bool, bool]]:
    """(address, ready, serving, terminating) of all endpoints of a Service."""
    found = []
    for one in slices:
        if one["metadata"]["labels"]["kubernetes.io/service-name"] == service:
            for endpoint in one.get("endpoints") or []:
                state = endpoint["conditions"]
                found.append((endpoint["addresses"][0], state["ready"], state["serving"], state["terminating"]))
    return sorted(found)


async def ready_pod(world: World, name: str, address: str, **spec: Any) -> Object:
    pod = await world.pod(name, labels={"app": "web"}, spec={"nodeName": "n1", **spec})
    return await world.running(pod, address)


async def test_a_pod_comes_and_goes() -> None:
    async with working(EndpointSliceController) as world:
        await world.node("n1", metadata={"labels": {"topology.kubernetes.io/zone": "east"}})
        service = await world.service("web", ports=[{"port": 80, "targetPort": 8080}])
        slices = await world.until(SLICES, lambda found: len(found) == 1)
        assert (slices[0].get("endpoints") or [], slices[0].get("ports") or []) == ([], [])
        assert slices[0]["metadata"]["ownerReferences"][0]["uid"] == service["metadata"]["uid"]
        pod = await ready_pod(world, "web-1", "10.0.0.1")
        slices = await world.until(SLICES, lambda found: len(found) == 1 and len(told(found, "web")) == 1)
        assert told(slices, "web") == [("10.0.0.1", True, True, False)]
        assert slices[0]["ports"] == [{"name": "", "port": 8080, "protocol": "TCP"}]
        assert slices[0]["endpoints"][0]["zone"] == "east"
        await world.running(pod, "10.0.0.1", ready=False)
        await world.until(SLICES, lambda found: told(found, "web") == [("10.0.0.1", False, False, False)])
        await world.running(pod, "10.0.0.1")
        await world.client.delete(PODS, "web-1", "default")
        await world.until(SLICES, lambda found: told(found, "web") == [("10.0.0.1", False, True, True)])
        await world.client.delete(PODS, "web-1", "default", options={"gracePeriodSeconds": 0})
        await world.until(SLICES, lambda found: told(found, "web") == [] and len(found) == 1)


async def test_a_service_changes_its_selector_and_somebody_meddles() -> None:
    async with working(EndpointSliceController) as world:
        await world.node("n1")
        await world.service("web")
        await ready_pod(world, "web-1", "10.0.0.1")
        [one] = await world.until(SLICES, lambda found: len(found) == 1 and len(told(found, "web")) == 1)
        await world.client.delete(SLICES, one["metadata"]["name"], "default")
        await world.until(
            SLICES, lambda found: len(told(found, "web")) == 1 and found[0]["metadata"] != one["metadata"]
        )
        await world.client.patch(SERVICES, "web", "default", patch={"spec": {"selector": {"app": "other"}}})
        await world.until(SLICES, lambda found: told(found, "web") == [])
        await world.client.patch(SERVICES, "web", "default", patch={"metadata": {"labels": {"team": "a"}}})
        await world.until(SLICES, lambda found: found[0]["metadata"]["labels"].get("team") == "a")


async def test_a_pod_whose_node_is_not_there_waits_for_it() -> None:
    async with working(EndpointSliceController) as world:
        await world.service("web")
        await ready_pod(world, "web-1", "10.0.0.1")
        await world.until(SLICES, lambda found: len(found) == 1 and told(found, "web") == [])
        await world.node("n1")
        await world.until(SLICES, lambda found: told(found, "web") == [("10.0.0.1", True, True, False)])


async def test_many_pods_take_several_slices() -> None:
    async with working(EndpointSliceController) as world:
        await world.node("n1")
        await world.service("web", clusterIP="None")
        for n in range(120):
            await ready_pod(world, f"web-{n}", f"10.0.0.{n + 1}")
        found = await world.until(SLICES, lambda found: len(told(found, "web")) == 120)
        assert sorted(len(one["endpoints"]) for one in found)[-1] <= 100
        assert all("service.kubernetes.io/headless" in one["metadata"]["labels"] for one in found)
