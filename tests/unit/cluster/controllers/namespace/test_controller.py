from __future__ import annotations

from corral.cluster.client.builtin import NAMESPACES, PODS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.conditions import find
from corral.cluster.controllers.namespace.controller import NamespaceController
from corral.cluster.controllers.resources import CONFIG_MAPS, SECRETS
from tests.support.world import World, working


def controller(world: World) -> NamespaceController:
    return NamespaceController(world.shared, world.resources)


def condition(namespace: Object, kind: str) -> Object:
    return find(namespace["status"].get("conditions"), kind) or {}


async def test_a_namespace_goes_with_all_that_is_in_it() -> None:
    async with working(controller) as world:
        await world.namespace("a")
        for n in range(45):
            await world.create(CONFIG_MAPS, {"metadata": {"name": f"c{n}"}}, "a")
        await world.create(SECRETS, {"metadata": {"name": "s"}}, "a")
        await world.create(CONFIG_MAPS, {"metadata": {"name": "stays"}}, "default")
        await world.client.delete(NAMESPACES, "a")
        await world.until_gone(NAMESPACES, "a")
        assert (await world.client.list(CONFIG_MAPS, "a")).items == []
        assert (await world.client.list(SECRETS, "a")).items == []
        assert len((await world.client.list(CONFIG_MAPS, "default")).items) == 1


async def test_a_namespace_stays_while_nobody_knows_what_is_in_it() -> None:
    unknown = [("far.io", "v1")]
    async with working(lambda world: NamespaceController(world.shared, world.resources, lambda: unknown)) as world:
        await world.namespace("a")
        await world.create(CONFIG_MAPS, {"metadata": {"name": "c"}}, "a")
        await world.client.delete(NAMESPACES, "a")
        kind = "NamespaceDeletionDiscoveryFailure"
        found = await world.until_one(NAMESPACES, "a", lambda one: condition(one, kind).get("status") == "True")
        told = "far.io/v1: stale GroupVersion discovery: far.io/v1"
        assert condition(found, kind)["message"].endswith(told)
        assert (await world.client.list(CONFIG_MAPS, "a")).items == [], "what is known goes"
        unknown.clear()
        await world.until_gone(NAMESPACES, "a")


async def test_pods_go_first_and_what_has_finalizers_is_waited_for() -> None:
    async with working(controller) as world:
        await world.namespace("a")
        pod = await world.pod("p", "a", spec={"nodeName": "n1"})
        await world.create(CONFIG_MAPS, {"metadata": {"name": "c", "finalizers": ["a/b"]}}, "a")
        await world.client.delete(NAMESPACES, "a")

        def says(namespace: Object) -> str:
            return str(condition(namespace, "NamespaceContentRemaining").get("message"))

        text = "Some resources are remaining: pods. has 1 resource instances"
        found = await world.until_one(NAMESPACES, "a", lambda one: says(one) == text)
        assert condition(found, "NamespaceDeletionDiscoveryFailure")["status"] == "False"
        assert "deletionTimestamp" not in (await world.client.get(CONFIG_MAPS, "c", "a"))["metadata"]
        assert "deletionTimestamp" in (await world.client.get(PODS, "p", "a"))["metadata"]
        gone = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
        await world.client.delete(PODS, "p", "a", options=gone)
        text = "Some resources are remaining: configmaps. has 1 resource instances"
        found = await world.until_one(NAMESPACES, "a", lambda one: says(one) == text)
        text = "Some content in the namespace has finalizers remaining: a/b in 1 resource instances"
        assert condition(found, "NamespaceFinalizersRemaining")["message"] == text
        await world.client.patch(CONFIG_MAPS, "c", "a", patch={"metadata": {"finalizers": None}})
        await world.until_gone(NAMESPACES, "a")
