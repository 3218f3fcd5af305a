from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import DEVICE_TAINT_RULES, EVENTS, PODS, RESOURCE_CLAIMS, RESOURCE_SLICES
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.devicetainteviction.controller import DeviceTaintEvictionController
from tests.support.turned_clock import TurnedClock
from tests.support.world import World, working

DEVICES = {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "gpu"}}]}}
HOT = {"key": "hot", "effect": "NoExecute"}


class Eviction:
    def __init__(self) -> None:
        self.clock = TurnedClock()

    def __call__(self, world: World) -> DeviceTaintEvictionController:
        world.shared.now = self.clock
        self.made = DeviceTaintEvictionController(world.shared)
        return self.made


async def uses(world: World, name: str, device: str, tolerations: list[Object] | None = None) -> Object:
    """A pod that runs with a device, by a claim of the same name."""
    pod = await world.pod(name, spec={"nodeName": "n1"})
    claim = await world.create(RESOURCE_CLAIMS, {"metadata": {"name": name}, "spec": DEVICES}, "default")
    result = {"request": "r", "driver": "d", "pool": "p", "device": device, "tolerations": tolerations or []}
    users = [{"resource": "pods", "name": name, "uid": meta.uid(pod)}]
    await world.status(RESOURCE_CLAIMS, claim, {"allocation": {"devices": {"results": [result]}}, "reservedFor": users})
    return pod


async def offer(world: World) -> Object:
    spec = {
        "driver": "d",
        "nodeName": "n1",
        "pool": {"name": "p", "resourceSliceCount": 1},
        "devices": [{"name": "x"}, {"name": "y"}],
    }
    return await world.create(RESOURCE_SLICES, {"metadata": {"name": "s"}, "spec": spec})


async def test_users_of_a_tainted_device_go_when_their_time_is_over() -> None:
    eviction = Eviction()
    async with working(eviction) as world:
        made = await offer(world)
        await uses(world, "none", "x")
        await uses(world, "some", "x", [{"key": "hot", "operator": "Exists", "tolerationSeconds": 300}])
        await uses(world, "ever", "x", [{"key": "hot", "operator": "Exists"}])
        await uses(world, "other", "y")
        taint = {**HOT, "timeAdded": to_text(eviction.clock())}
        devices = [{"name": "x", "taints": [taint]}, {"name": "y"}]
        made = await world.client.update(RESOURCE_SLICES, {**made, "spec": {**made["spec"], "devices": devices}})
        pod = await world.until_one(PODS, "none", meta.deleting)
        assert pod["status"]["conditions"][-1]["reason"] == "DeletionByDeviceTaintManager"
        [event] = await world.until(EVENTS, lambda found: len(found) == 1)
        assert (event["reason"], event["message"]) == ("DeviceTaintManagerEviction", "Marking for deletion")
        await world.calm(eviction.made)
        found = (await world.client.list(PODS)).items
        assert {meta.name(one) for one in found if not meta.deleting(one)} == {"some", "ever", "other"}
        eviction.clock.turn(301)
        await world.client.update(RESOURCE_SLICES, {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}})
        await world.until_one(PODS, "some", meta.deleting)
        await world.calm(eviction.made)
        assert not meta.deleting(await world.client.get(PODS, "ever", "default"))


async def test_a_rule_taints_devices_until_it_is_gone() -> None:
    eviction = Eviction()
    async with working(eviction) as world:
        await offer(world)
        await uses(world, "some", "x", [{"operator": "Exists", "tolerationSeconds": 300}])
        rule = {"metadata": {"name": "r"}, "spec": {"deviceSelector": {"device": "x"}, "taint": HOT}}
        await world.create(DEVICE_TAINT_RULES, rule)
        await world.until(DEVICE_TAINT_RULES, lambda found: len(found) == 1)
        await world.calm(eviction.made)
        await world.client.delete(DEVICE_TAINT_RULES, "r")
        [event] = await world.until(EVENTS, lambda found: len(found) == 1)
        assert event["message"] == "Cancelling deletion"
        eviction.clock.turn(301)
        await uses(world, "poke", "y")
        await world.until(RESOURCE_CLAIMS, lambda found: len(found) == 2)
        await world.calm(eviction.made)
        assert not any(map(meta.deleting, (await world.client.list(PODS)).items))
