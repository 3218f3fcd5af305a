from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES, PODS
from corral.cluster.controllers.podgc.controller import PodGc
from tests.support.turned_clock import TurnedClock
from tests.support.world import World, working


class Collecting:
    def __init__(self, most: int = 100) -> None:
        self.clock, self.most = TurnedClock(), most

    def __call__(self, world: World) -> PodGc:
        world.shared.now = self.clock
        self.made = PodGc(world.shared, self.most)
        return self.made


async def test_pods_of_a_node_that_is_gone_go_after_a_while() -> None:
    collecting = Collecting()
    async with working(collecting) as world:
        await world.node("n1")
        for name, node in (("p", "n1"), ("q", "n2")):
            pod = await world.pod(name, spec={"nodeName": node}, finalizers=["a/b"])
            await world.running(pod, "10.0.0.1")
        await world.node("n2")
        await world.client.delete(NODES, "n1")
        await world.until(NODES, lambda found: len(found) == 1)
        await world.calm(collecting.made)
        collecting.clock.turn(41)
        for name in ("p", "q"):
            await world.client.patch(PODS, name, "default", patch={"metadata": {"labels": {"look": "again"}}})
        pod = await world.until_one(PODS, "p", meta.deleting)
        assert pod["status"]["phase"] == "Failed"
        condition = pod["status"]["conditions"][-1]
        assert (condition["reason"], condition["message"]) == ("DeletionByPodGC", "PodGC: node no longer exists")
        await world.calm(collecting.made)
        assert not meta.deleting(await world.client.get(PODS, "q", "default"))


async def test_of_those_that_have_ended_the_oldest_go() -> None:
    async with working(Collecting(most=2)) as world:
        await world.node("n1")
        for n in range(5):
            pod = await world.pod(f"p{n}", spec={"nodeName": "n1"})
            await world.status(PODS, pod, {"phase": "Succeeded" if n else "Running"})
        found = await world.until(PODS, lambda found: len(found) == 3)
        assert "p0" in {meta.name(one) for one in found}


async def test_what_is_deleted_on_a_node_out_of_service_is_not_waited_for() -> None:
    async with working(Collecting()) as world:
        lost = {"conditions": [{"type": "Ready", "status": "Unknown"}]}
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}
        await world.node("n1", spec={"taints": [taint]}, status=lost)
        await world.pod("p", spec={"nodeName": "n1"})
        await world.pod("q", spec={"nodeName": "n1"})
        await world.client.delete(PODS, "p", "default")
        await world.until(PODS, lambda found: [meta.name(one) for one in found] == ["q"])
