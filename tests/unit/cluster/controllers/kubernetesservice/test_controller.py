from __future__ import annotations

from corral.cluster.client.builtin import SERVICES
from corral.cluster.controllers.kubernetesservice.controller import KubernetesService
from corral.cluster.controllers.resources import ENDPOINTS, SLICES
from tests.support.world import World, working

SERVICE = {
    "metadata": {"name": "kubernetes", "namespace": "default"},
    "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{"name": "https", "port": 443}]},
}


def controller(world: World) -> KubernetesService:
    return KubernetesService(world.shared, SERVICE, "10.244.1.1", 6443)


async def test_pods_find_the_server_whatever_happens_to_what_says_where_it_is() -> None:
    async with working(controller) as world:
        service = await world.until_one(SERVICES, "kubernetes", lambda one: True, "default")
        assert service["spec"]["clusterIP"] == "10.96.0.1"
        found = await world.until_one(SLICES, "kubernetes", lambda one: True, "default")
        assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "kubernetes"
        await world.client.patch(SLICES, "kubernetes", "default", patch={"endpoints": []})
        await world.until_one(SLICES, "kubernetes", lambda one: bool(one["endpoints"]), "default")
        for of in (SERVICES, ENDPOINTS):
            there = await world.until_one(of, "kubernetes", lambda one: True, "default")
            await world.client.delete(of, "kubernetes", "default")
            uid = there["metadata"]["uid"]
            await world.until_one(of, "kubernetes", lambda one, uid=uid: one["metadata"]["uid"] != uid, "default")
