from __future__ import annotations

from corral.cluster.client.builtin import SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.endpointslicemirroring.controller import EndpointSliceMirroringController
from corral.cluster.controllers.resources import ENDPOINTS, SLICES
from tests.support.world import working

PORTS = [{"name": "sql", "port": 5432, "protocol": "TCP"}]


def addresses(found: list[Object]) -> list[tuple[str, str, bool]]:
    return sorted(
        (one["addressType"], endpoint["addresses"][0], endpoint["conditions"]["ready"])
        for one in found
        for endpoint in one["endpoints"]
    )


async def test_hand_made_endpoints_are_mirrored_by_family() -> None:
    async with working(EndpointSliceMirroringController) as world:
        await world.service("db", selector=None)
        subsets = [{"addresses": [{"ip": "192.0.2.1"}, {"ip": "2001:db8::1"}], "ports": PORTS}]
        made = await world.create(
            ENDPOINTS, {"metadata": {"name": "db", "labels": {"a": "b"}}, "subsets": subsets}, "default"
        )
        both = [("IPv4", "192.0.2.1", True), ("IPv6", "2001:db8::1", True)]
        found = await world.until(SLICES, lambda found: addresses(found) == both)
        for one in found:
            assert one["ports"] == PORTS
            assert one["metadata"]["labels"] == {
                "a": "b",
                "kubernetes.io/service-name": "db",
                "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
            }
            assert one["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]
        patch = {"subsets": [{"notReadyAddresses": [{"ip": "192.0.2.1"}], "ports": PORTS}]}
        await world.client.patch(ENDPOINTS, "db", "default", patch=patch)
        await world.until(SLICES, lambda found: addresses(found) == [("IPv4", "192.0.2.1", False)])
        label = {"metadata": {"labels": {"endpointslice.kubernetes.io/skip-mirror": "true"}}}
        await world.client.patch(ENDPOINTS, "db", "default", patch=label)
        await world.until(SLICES, lambda found: not found)
        label["metadata"]["labels"]["endpointslice.kubernetes.io/skip-mirror"] = "false"
        await world.client.patch(ENDPOINTS, "db", "default", patch=label)
        await world.until(SLICES, lambda found: len(found) == 1)
        await world.client.delete(SERVICES, "db", "default")
        await world.until(SLICES, lambda found: not found)
