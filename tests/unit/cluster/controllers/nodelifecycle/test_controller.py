from __future__ import annotations

from datetime import datetime

from corral.cluster.client.builtin import EVENTS, NODES, PODS
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_micro, utc_now
from corral.cluster.controllers.conditions import find, pod_ready
from corral.cluster.controllers.nodelifecycle.controller import NodeLifecycleController
from corral.cluster.controllers.resources import LEASES
from tests.support.turned_clock import TurnedClock
from tests.support.world import World, working

READY = {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"}]}


class Lifecycle:
    """The controller, and the clock it goes by."""

    def __init__(self) -> None:
        self.clock = TurnedClock()

    def __call__(self, world: World) -> NodeLifecycleController:
        world.shared.now = self.clock
        self.made = NodeLifecycleController(world.shared)
        return self.made


def taints(node: Object) -> set[tuple[str, str]]:
    return {(one["key"].partition("/")[2], one["effect"]) for one in node["spec"].get("taints") or ()}


async def touch(world: World, name: str, value: str) -> None:
    """Something about the node that is no heartbeat changes."""
    await world.client.patch(NODES, name, patch={"metadata": {"labels": {"touched": value}}})


async def test_a_silent_node_is_unknown_and_its_pods_do_not_serve() -> None:
    lifecycle = Lifecycle()
    async with working(lifecycle) as world:
        await world.node("n1", status=READY)
        await world.node("n2", status=READY)
        pod = await world.pod("p", spec={"nodeName": "n1"})
        await world.running(pod, "10.0.0.1")
        await world.until(PODS, lambda found: len(found) == 1 and pod_ready(found[0]))
        await world.until(NODES, lambda found: len(found) == 2)
        await world.calm(lifecycle.made)
        lifecycle.clock.turn(39)
        lease = {"metadata": {"name": "n2"}, "spec": {"renewTime": to_micro(utc_now())}}
        await world.create(LEASES, lease, "kube-node-lease")
        await world.until(LEASES, lambda found: len(found) == 1)
        lifecycle.clock.turn(2)
        for name in ("n1", "n2"):
            await touch(world, name, "1")
        lost = {("unreachable", "NoSchedule"), ("unreachable", "NoExecute")}
        node = await world.until_one(NODES, "n1", lambda one: taints(one) == lost)
        ready = find(node["status"]["conditions"], "Ready") or {}
        assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
        await world.until_one(PODS, "p", lambda one: not pod_ready(one))
        assert taints(await world.client.get(NODES, "n2")) == set()
        events = await world.until(EVENTS, lambda found: any(one["reason"] == "NodeNotReady" for one in found))
        assert "Node n1 status is now: NodeNotReady" in {one["message"] for one in events}
        await world.status(NODES, node, READY)
        await world.until_one(NODES, "n1", lambda one: taints(one) == set())


async def test_when_no_node_is_ready_nobody_is_driven_out() -> None:
    async with working(Lifecycle()) as world:
        bad = {"conditions": [{"type": "Ready", "status": "False"}]}
        one = await world.node("n1", status=bad)
        await world.until_one(NODES, "n1", lambda one: taints(one) == {("not-ready", "NoSchedule")})
        await world.node("n2", status=READY)
        both = {("not-ready", "NoSchedule"), ("not-ready", "NoExecute")}
        await world.until_one(NODES, "n1", lambda one: taints(one) == both)
        await world.status(NODES, one, READY)
        await world.until_one(NODES, "n1", lambda one: taints(one) == set())


async def test_pressure_and_cordons_are_taints() -> None:
    async with working(Lifecycle()) as world:
        pressed = {"conditions": [*READY["conditions"], {"type": "MemoryPressure", "status": "True"}]}
        await world.node("n1", spec={"unschedulable": True}, status=pressed)
        wanted = {("unschedulable", "NoSchedule"), ("memory-pressure", "NoSchedule")}
        await world.until_one(NODES, "n1", lambda one: taints(one) == wanted)
        mine = [{"key": "mine", "effect": "NoExecute"}]
        await world.client.patch(NODES, "n1", patch={"spec": {"unschedulable": None, "taints": mine}})
        wanted = {("", "NoExecute"), ("memory-pressure", "NoSchedule")}
        await world.until_one(NODES, "n1", lambda one: taints(one) == wanted)


async def test_a_node_that_never_said_anything_has_a_minute() -> None:
    lifecycle = Lifecycle()
    async with working(lifecycle) as world:
        made = await world.node("n1")
        lifecycle.clock.moment = datetime.fromisoformat(made["metadata"]["creationTimestamp"])
        await world.until(NODES, lambda found: len(found) == 1)
        await world.calm(lifecycle.made)
        lifecycle.clock.turn(50)
        await touch(world, "n1", "1")
        await world.calm(lifecycle.made)
        assert not (await world.client.get(NODES, "n1")).get("status", {}).get("conditions")
        lifecycle.clock.turn(11)
        await touch(world, "n1", "2")
        node = await world.until_one(NODES, "n1", lambda one: one["status"]["conditions"])
        assert {one["reason"] for one in node["status"]["conditions"]} == {"NodeStatusNeverUpdated"}


async def test_nodes_are_given_up_one_by_one_and_not_most_of_them() -> None:
    lifecycle = Lifecycle()
    async with working(lifecycle) as world:
        nodes = [await world.node(f"n{n}", status=READY) for n in range(5)]
        await world.until(NODES, lambda found: len(found) == 5)
        await world.calm(lifecycle.made)
        bad = {"conditions": [{"type": "Ready", "status": "False"}]}
        given_up = ("not-ready", "NoExecute")

        def lost(found: list[Object]) -> int:
            return sum(given_up in taints(one) for one in found)

        for node in nodes[:2]:
            await world.status(NODES, node, bad)
        await world.until(NODES, lambda found: sum(bool(taints(one)) for one in found) == 2)
        await world.calm(lifecycle.made)
        assert lost((await world.client.list(NODES)).items) == 1
        lifecycle.clock.turn(10.1)
        for name in ("n0", "n1"):
            await touch(world, name, "1")
        await world.until(NODES, lambda found: lost(found) == 2)
        await world.status(NODES, nodes[2], bad)
        await world.until(NODES, lambda found: lost(found) == 0)
