from __future__ import annotations

from datetime import timedelta

from corral.cluster.client import meta
from corral.cluster.client.builtin import EVENTS, NODES, PODS
from corral.cluster.client.times import to_text
from corral.cluster.controllers.tainteviction.controller import TaintEvictionController
from tests.support.turned_clock import TurnedClock
from tests.support.world import World, working


class Eviction:
    def __init__(self) -> None:
        self.clock = TurnedClock()

    def __call__(self, world: World) -> TaintEvictionController:
        world.shared.now = self.clock
        self.made = TaintEvictionController(world.shared)
        return self.made


def tolerating(seconds: int | None) -> list[dict[str, object]]:
    found: dict[str, object] = {"key": "gone", "operator": "Exists", "effect": "NoExecute"}
    return [found if seconds is None else {**found, "tolerationSeconds": seconds}]


async def test_each_pod_stays_as_long_as_it_tolerates() -> None:
    eviction = Eviction()
    async with working(eviction) as world:
        await world.node("n1")
        await world.pod("none", spec={"nodeName": "n1"})
        await world.pod("some", spec={"nodeName": "n1", "tolerations": tolerating(300)})
        await world.pod("ever", spec={"nodeName": "n1", "tolerations": tolerating(None)})
        await world.pod("other", spec={"nodeName": "n2"})
        added = to_text(eviction.clock())
        taint = {"key": "gone", "effect": "NoExecute", "timeAdded": added}
        await world.client.patch(NODES, "n1", patch={"spec": {"taints": [taint]}})
        pod = await world.until_one(PODS, "none", meta.deleting)
        assert pod["status"]["conditions"][-1]["reason"] == "DeletionByTaintManager"
        await world.calm(eviction.made)
        found = (await world.client.list(PODS)).items
        assert {meta.name(one) for one in found if not meta.deleting(one)} == {"some", "ever", "other"}
        eviction.clock.turn(301)
        await world.client.patch(
            NODES, "n1", patch={"spec": {"taints": [taint, {"key": "poke", "effect": "NoSchedule"}]}}
        )
        await world.until_one(PODS, "some", meta.deleting)
        await world.calm(eviction.made)
        assert not meta.deleting(await world.client.get(PODS, "ever", "default"))


async def test_a_taint_that_is_taken_away_in_time_is_forgotten() -> None:
    eviction = Eviction()
    async with working(eviction) as world:
        added = to_text(eviction.clock() - timedelta(seconds=10))
        await world.node("n1", spec={"taints": [{"key": "gone", "effect": "NoExecute", "timeAdded": added}]})
        await world.pod("some", spec={"nodeName": "n1", "tolerations": tolerating(300)})
        await world.until(PODS, lambda found: len(found) == 1)
        await world.calm(eviction.made)
        await world.client.patch(NODES, "n1", patch={"spec": {"taints": None}})
        events = await world.until(EVENTS, lambda found: len(found) == 1)
        assert events[0]["message"] == "Cancelling deletion of Pod default/some"
        assert not meta.deleting(await world.client.get(PODS, "some", "default"))
