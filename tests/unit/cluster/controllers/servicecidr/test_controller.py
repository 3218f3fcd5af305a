from __future__ import annotations

from corral.cluster.client.builtin import SERVICES
from corral.cluster.controllers.conditions import find
from corral.cluster.controllers.resources import SERVICE_CIDRS
from corral.cluster.controllers.servicecidr.controller import ServiceCidrController
from tests.support.world import working


async def test_a_range_in_use_stays_until_it_is_not() -> None:
    async with working(ServiceCidrController) as world:
        found = await world.until_one(SERVICE_CIDRS, "kubernetes", lambda one: one["status"]["conditions"])
        assert found["metadata"]["finalizers"] == ["networking.k8s.io/service-cidr-finalizer"]
        await world.client.delete(SERVICE_CIDRS, "kubernetes")
        found = await world.until_one(
            SERVICE_CIDRS, "kubernetes", lambda one: find(one["status"]["conditions"], "Ready")["status"] == "False"
        )
        await world.client.delete(SERVICES, "kubernetes", "default")
        await world.until_gone(SERVICE_CIDRS, "kubernetes")
