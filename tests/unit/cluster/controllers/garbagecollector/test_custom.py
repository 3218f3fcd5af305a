from __future__ import annotations

from corral.cluster.apiserver.registry import Served
from corral.cluster.client import meta
from corral.cluster.client.protocol import Collection
from corral.cluster.controllers.garbagecollector.controller import DEFINITIONS, RESOURCES, GarbageCollector
from corral.cluster.controllers.namespace.controller import NamespaceController
from corral.cluster.controllers.resources import CONFIG_MAPS
from corral.model.kubernetes.kind import Kind
from corral.model.kubernetes.resources import Resource
from tests.support.world import World, working

THINGS = Collection("example.com", "v1", "things")


def serve(world: World) -> None:
    """The kind Thing, as a CustomResourceDefinition would make it known."""
    resource = Resource("example.com", "v1", "things", "thing", "Thing", "ThingList", True)
    world.api.registry.add(Served(resource, Kind(), None, resource.gvk, custom=True))


async def test_custom_objects_own_are_owned_and_go_with_their_kind() -> None:
    made: list[GarbageCollector] = []

    def collector(world: World) -> GarbageCollector:
        made.append(GarbageCollector(world.shared, world.resources))
        return made[0]

    def namespaces(world: World) -> NamespaceController:
        return NamespaceController(world.shared, world.resources)

    async with working(collector, namespaces) as world:
        await world.shared.informers.of(DEFINITIONS).synced.wait()
        serve(world)
        made[0].queue.add(RESOURCES)
        top = await world.create(THINGS, {"metadata": {"name": "top"}}, "default")
        owner = meta.reference(top, "example.com/v1", "Thing")
        await world.create(THINGS, {"metadata": {"name": "part", "ownerReferences": [owner]}}, "default")
        await world.create(CONFIG_MAPS, {"metadata": {"name": "leaf", "ownerReferences": [owner]}}, "default")
        await world.client.delete(THINGS, "top", "default")
        await world.until(CONFIG_MAPS, lambda found: not found, "default")
        await world.until(THINGS, lambda found: not found)
        await world.namespace("a")
        await world.create(THINGS, {"metadata": {"name": "inside"}}, "a")
        await world.client.delete(Collection("", "v1", "namespaces"), "a")
        await world.until(THINGS, lambda found: not found)


async def test_what_an_object_of_a_kind_that_is_not_served_owns_stays() -> None:
    def collector(world: World) -> GarbageCollector:
        return GarbageCollector(world.shared, world.resources)

    async with working(collector) as world:
        owner = {"apiVersion": "example.com/v1", "kind": "Thing", "name": "top", "uid": "gone"}
        await world.create(CONFIG_MAPS, {"metadata": {"name": "leaf", "ownerReferences": [owner]}}, "default")
        await world.create(CONFIG_MAPS, {"metadata": {"name": "other", "ownerReferences": [known()]}}, "default")
        await world.until(CONFIG_MAPS, lambda found: [meta.name(one) for one in found] == ["leaf"], "default")


def known() -> dict[str, str]:
    """The owner of an object that is collected: by then the other has been looked at, too."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "name": "never", "uid": "never"}
