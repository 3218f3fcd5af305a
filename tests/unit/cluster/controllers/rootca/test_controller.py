from __future__ import annotations

from corral.cluster.controllers.resources import CONFIG_MAPS
from corral.cluster.controllers.rootca.controller import NAME, RootCaPublisher
from tests.support.world import World, working


def controller(world: World) -> RootCaPublisher:
    return RootCaPublisher(world.shared, "PEM")


async def test_each_namespace_has_the_certificate_whatever_happens_to_it() -> None:
    async with working(controller) as world:
        await world.namespace("a")
        found = await world.until_one(CONFIG_MAPS, NAME, lambda one: one["data"] == {"ca.crt": "PEM"}, "a")
        assert "CA bundle" in found["metadata"]["annotations"]["kubernetes.io/description"]
        await world.client.patch(CONFIG_MAPS, NAME, "a", patch={"data": {"ca.crt": "forged"}})
        await world.until_one(CONFIG_MAPS, NAME, lambda one: one["data"] == {"ca.crt": "PEM"}, "a")
        await world.client.delete(CONFIG_MAPS, NAME, "a")
        uid = found["metadata"]["uid"]
        await world.until_one(CONFIG_MAPS, NAME, lambda one: one["metadata"]["uid"] != uid, "a")
