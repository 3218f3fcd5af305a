from __future__ import annotations

from typing import Any

from corral.cluster.apiserver.authentication.trust import NAME as TRUST
from corral.cluster.client import meta
from corral.cluster.client.builtin import EVENTS, PODS, REPLICA_SETS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.garbagecollector.controller import GarbageCollector
from corral.cluster.controllers.resources import CONFIG_MAPS, SECRETS
from tests.support.world import World, working


def controller(world: World) -> GarbageCollector:
    return GarbageCollector(world.shared, world.resources)


def owned_by(*owners: Object, blocks: bool = True) -> dict[str, Any]:
    def reference(one: Object) -> Object:
        kind = {"apiVersion": "v1", "kind": "ConfigMap", "name": meta.name(one), "uid": meta.uid(one)}
        return {**kind, "blockOwnerDeletion": blocks}

    return {"ownerReferences": [reference(one) for one in owners]}


async def config(world: World, name: str, namespace: str = "default", **metadata: Any) -> Object:
    return await world.create(CONFIG_MAPS, {"metadata": {"name": name, **metadata}}, namespace)


def names(found: list[Object]) -> set[str]:
    return {meta.name(one) for one in found}


async def test_in_the_background_dependents_go_after_their_owner() -> None:
    async with working(controller) as world:
        top = await config(world, "top")
        middle = await config(world, "middle", **owned_by(top))
        await world.create(SECRETS, {"metadata": {"name": "leaf", **owned_by(middle)}}, "default")
        await config(world, "other")
        await world.client.delete(CONFIG_MAPS, "top", "default", options={"propagationPolicy": "Background"})
        await world.until(SECRETS, lambda found: "leaf" not in names(found))
        await world.until(CONFIG_MAPS, lambda found: names(found) == {"other"}, "default")


async def test_in_the_foreground_the_owner_waits_for_what_blocks_it() -> None:
    async with working(controller) as world:
        top = await config(world, "top")
        blocks = await config(world, "blocks", finalizers=["a/b"], **owned_by(top))
        await world.create(SECRETS, {"metadata": {"name": "deep", **owned_by(blocks)}}, "default")
        await config(world, "free", finalizers=["a/b"], **owned_by(top, blocks=False))
        await world.client.delete(CONFIG_MAPS, "top", "default", options={"propagationPolicy": "Foreground"})
        await world.until(CONFIG_MAPS, lambda found: all(map(meta.deleting, found)), "default")
        await world.until(SECRETS, lambda found: "deep" not in names(found))
        assert "foregroundDeletion" in (await world.client.get(CONFIG_MAPS, "top", "default"))["metadata"]["finalizers"]
        await world.client.patch(CONFIG_MAPS, "blocks", "default", patch={"metadata": {"finalizers": None}})
        await world.until(CONFIG_MAPS, lambda found: names(found) == {"free"}, "default")


async def test_orphans_stay_without_their_owner() -> None:
    async with working(controller) as world:
        top = await config(world, "top")
        other = await config(world, "other")
        await config(world, "one", **owned_by(top))
        await config(world, "two", **owned_by(top, other))
        await world.until(CONFIG_MAPS, lambda found: len(found) == 4, "default")
        await world.client.delete(CONFIG_MAPS, "top", "default", options={"propagationPolicy": "Orphan"})
        found = await world.until(CONFIG_MAPS, lambda found: names(found) == {"one", "two", "other"}, "default")
        owners = {meta.name(one): one["metadata"].get("ownerReferences", []) for one in found}
        assert owners["one"] == []
        assert [one["name"] for one in owners["two"]] == ["other"]


async def test_one_living_owner_is_enough_and_the_dead_one_is_forgotten() -> None:
    async with working(controller) as world:
        dead, alive = await config(world, "dead"), await config(world, "alive")
        await config(world, "child", **owned_by(dead, alive))
        await world.client.delete(CONFIG_MAPS, "dead", "default")
        found = await world.until_one(
            CONFIG_MAPS, "child", lambda one: len(one["metadata"]["ownerReferences"]) == 1, "default"
        )
        assert found["metadata"]["ownerReferences"][0]["name"] == "alive"


async def test_an_owner_that_never_was_counts_as_gone_and_another_namespace_too() -> None:
    async with working(controller) as world:
        await world.namespace("a")
        owner = await config(world, "owner")
        await config(world, "good", **owned_by(owner))
        await config(world, "never", **owned_by({"metadata": {"name": "owner", "uid": "no-such-uid"}}))
        await config(world, "elsewhere", "a", **owned_by(owner))
        await world.until(CONFIG_MAPS, lambda found: names(found) - {TRUST} == {"owner", "good"})
        events = await world.until(EVENTS, lambda found: len(found) == 1)
        assert (events[0]["reason"], events[0]["type"]) == ("OwnerRefInvalidNamespace", "Warning")
        uid = meta.uid(owner)
        text = f'ownerRef [v1/ConfigMap, namespace: a, name: owner, uid: {uid}] does not exist in namespace "a"'
        assert events[0]["message"] == text


async def test_a_circle_of_foreground_deletions_ends() -> None:
    async with working(controller) as world:
        one = await config(world, "one")
        two = await config(world, "two", **owned_by(one))
        await world.client.patch(CONFIG_MAPS, "one", "default", patch={"metadata": owned_by(two)})
        await world.client.delete(CONFIG_MAPS, "one", "default", options={"propagationPolicy": "Foreground"})
        await world.until(CONFIG_MAPS, lambda found: not found, "default")


async def test_a_replica_set_takes_its_pods_with_it() -> None:
    async with working(controller) as world:
        labels = {"app": "web"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "busybox"}]}}
        spec = {"selector": {"matchLabels": labels}, "template": template}
        owner = await world.create(REPLICA_SETS, {"metadata": {"name": "web"}, "spec": spec}, "default")
        for n in range(5):
            await world.pod(f"web-{n}", labels=labels, ownerReferences=[meta.reference(owner, "apps/v1", "ReplicaSet")])
        await world.client.delete(REPLICA_SETS, "web", "default", options={"propagationPolicy": "Background"})
        await world.until(PODS, lambda found: not found)
