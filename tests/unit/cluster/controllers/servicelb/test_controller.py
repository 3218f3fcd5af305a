from __future__ import annotations

from typing import Any

from corral.cluster.client.builtin import EVENTS, NODES, SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.resources import SLICES
from corral.cluster.controllers.servicelb.controller import ServiceLoadBalancer
from tests.support.world import World, working


def ingress(service: Object) -> list[str]:
    return [one["ip"] for one in service["status"]["loadBalancer"].get("ingress") or ()]


async def node(world: World, name: str, address: str, ready: str = "True") -> Object:
    addresses = [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": address}]
    return await world.node(name, status={"addresses": addresses, "conditions": [{"type": "Ready", "status": ready}]})


async def lb(world: World, name: str, **spec: Any) -> Object:
    return await world.service(name, type="LoadBalancer", **spec)


async def test_a_load_balancer_has_the_addresses_of_the_nodes() -> None:
    async with working(ServiceLoadBalancer) as world:
        await lb(world, "web")
        await node(world, "n1", "192.0.2.1")
        await world.until_one(SERVICES, "web", lambda one: ingress(one) == ["192.0.2.1"])
        await node(world, "n2", "192.0.2.2")
        await world.until_one(SERVICES, "web", lambda one: ingress(one) == ["192.0.2.1", "192.0.2.2"])
        await world.client.patch(
            NODES, "n1", patch={"status": {"conditions": [{"type": "Ready", "status": "False"}]}}, subresource="status"
        )
        await world.until_one(SERVICES, "web", lambda one: ingress(one) == ["192.0.2.2"])
        await world.client.patch(SERVICES, "web", "default", patch={"spec": {"type": "ClusterIP"}})
        await world.until_one(SERVICES, "web", lambda one: ingress(one) == [])
        told = [one["message"] for one in await world.until(EVENTS, lambda found: len(found) == 4)]
        steps = ["Ensuring load balancer", "Ensured load balancer", "Deleting load balancer", "Deleted load balancer"]
        assert sorted(told) == sorted(steps)


async def test_local_traffic_goes_only_to_nodes_with_endpoints() -> None:
    async with working(ServiceLoadBalancer) as world:
        await node(world, "n1", "192.0.2.1")
        await node(world, "n2", "192.0.2.2")
        await lb(world, "web", externalTrafficPolicy="Local")
        endpoint = {"addresses": ["10.0.0.1"], "conditions": {"ready": True}, "nodeName": "n2"}
        labels = {"kubernetes.io/service-name": "web"}
        one = {"metadata": {"name": "web-1", "labels": labels}, "addressType": "IPv4", "endpoints": [endpoint]}
        await world.create(SLICES, one, "default")
        await world.until_one(SERVICES, "web", lambda one: ingress(one) == ["192.0.2.2"])


async def test_another_class_is_anothers_and_an_address_nobody_has_is_refused() -> None:
    async with working(ServiceLoadBalancer) as world:
        await node(world, "n1", "192.0.2.1")
        await lb(world, "other", loadBalancerClass="example.com/lb")
        await lb(world, "asks", loadBalancerIP="192.0.2.9")
        events = await world.until(EVENTS, lambda found: len(found) == 1)
        text = "Error syncing load balancer: failed to ensure load balancer: no node has the address 192.0.2.9"
        assert (events[0]["reason"], events[0]["message"]) == ("SyncLoadBalancerFailed", text)
        await lb(world, "mine", loadBalancerIP="192.0.2.1")
        await world.until_one(SERVICES, "mine", lambda one: ingress(one) == ["192.0.2.1"])
        assert ingress(await world.client.get(SERVICES, "other", "default")) == []


async def test_two_with_the_same_port_are_not_reached_at_the_same_address() -> None:
    """The second would be answered by the first: it has its own address until the first is gone."""
    async with working(ServiceLoadBalancer) as world:
        await node(world, "n1", "192.0.2.1")
        ports = [{"port": 80, "protocol": "TCP"}]
        await lb(world, "first", clusterIP="10.96.0.7", ports=ports)
        await world.until_one(SERVICES, "first", lambda one: ingress(one) == ["192.0.2.1"])
        more = [{"name": "a", "port": 81, "protocol": "TCP"}, {"name": "b", "port": 80, "protocol": "TCP"}]
        await lb(world, "second", clusterIP="10.96.0.8", ports=more)
        await world.until_one(SERVICES, "second", lambda one: ingress(one) == ["10.96.0.8"])
        found = await world.until(EVENTS, lambda found: any(one["type"] == "Warning" for one in found))
        [text] = [one["message"] for one in found if one["type"] == "Warning"]
        assert text.startswith("The port is default/first's at the nodes: reached at its cluster IP,")
        await lb(world, "datagrams", clusterIP="10.96.0.9", ports=[{"port": 80, "protocol": "UDP"}])
        await world.until_one(SERVICES, "datagrams", lambda one: ingress(one) == ["192.0.2.1"])
        await world.client.delete(SERVICES, "first", "default")
        await world.until_one(SERVICES, "second", lambda one: ingress(one) == ["192.0.2.1"])


async def test_an_address_that_is_asked_for_and_is_anothers_is_refused() -> None:
    async with working(ServiceLoadBalancer) as world:
        await node(world, "n1", "192.0.2.1")
        ports = [{"port": 80, "protocol": "TCP"}]
        await lb(world, "first", clusterIP="10.96.0.7", ports=ports)
        await world.until_one(SERVICES, "first", lambda one: ingress(one) == ["192.0.2.1"])
        await lb(world, "asks", clusterIP="10.96.0.8", ports=ports, loadBalancerIP="192.0.2.1")
        found = await world.until(EVENTS, lambda found: any(one["type"] == "Warning" for one in found))
        assert found[-1]["message"].endswith("the port at 192.0.2.1 is that of default/first")
