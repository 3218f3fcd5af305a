from __future__ import annotations

from corral.cluster.client.builtin import EVENTS, NODES
from corral.cluster.controllers.nodeipam.allocate import cidrs_of, make_pool
from corral.cluster.controllers.nodeipam.controller import NodeIpam
from tests.support.world import World, working


def controller(world: World) -> NodeIpam:
    return NodeIpam(world.shared, [make_pool("10.244.0.0/22"), make_pool("fd00:10:244::/60", 64)])


async def test_each_node_has_a_range_of_its_own_and_gives_it_back() -> None:
    async with working(controller) as world:
        await world.node("own", spec={"podCIDR": "10.244.1.0/24", "podCIDRs": ["10.244.1.0/24"]})
        for n in range(3):
            await world.node(f"n{n}")
        nodes = await world.until(NODES, lambda found: len(found) == 4 and all(map(cidrs_of, found)))
        given = [one for node in nodes for one in cidrs_of(node)]
        assert len(set(given)) == len(given) == 7
        assert {one for one in given if "." in one} == {f"10.244.{n}.0/24" for n in range(4)}
        await world.node("late")
        events = await world.until(EVENTS, lambda found: any(one["reason"] == "CIDRNotAvailable" for one in found))
        assert events[0]["message"] == "Node late status is now: CIDRNotAvailable"
        [freed, _] = cidrs_of(await world.client.get(NODES, "n1"))
        await world.client.delete(NODES, "n1")
        node = await world.until_one(NODES, "late", cidrs_of)
        assert cidrs_of(node)[0] == freed
