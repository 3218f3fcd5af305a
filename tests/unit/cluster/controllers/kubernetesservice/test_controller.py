from __future__ import annotations

from corral.cluster.client.builtin import SERVICES
from corral.cluster.client.members import Place
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.kubernetesservice.controller import KubernetesService
from corral.cluster.controllers.resources import ENDPOINTS, SLICES
from tests.support.world import World, working

SERVICE = {
    "metadata": {"name": "kubernetes", "namespace": "default"},
    "spec": {"clusterIP": "10.96.0.1", "clusterIPs": ["10.96.0.1"], "ports": [{"name": "https", "port": 443}]},
}


def controller(world: World) -> KubernetesService:
    return KubernetesService(world.shared, SERVICE, lambda: [Place("10.244.1.1", 6443)])


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


async def test_several_servers_say_the_same_of_all_of_them() -> None:
    """And rest: none undoes what another has written."""
    places = {Place("10.244.1.1", 6443), Place("10.244.2.1", 6443), Place("10.244.3.1", 7443)}
    made: list[KubernetesService] = []

    def server(world: World) -> KubernetesService:
        made.append(KubernetesService(world.shared, SERVICE, lambda: sorted(places)))
        return made[-1]

    def addresses(piece: Object) -> list[str]:
        return [end["addresses"][0] for end in piece["endpoints"]]

    async with working(server, server) as world:
        await world.until_one(SLICES, "kubernetes-7443", lambda one: addresses(one) == ["10.244.3.1"], "default")
        both = ["10.244.1.1", "10.244.2.1"]
        await world.until_one(SLICES, "kubernetes", lambda one: addresses(one) == both, "default")
        await world.until_one(ENDPOINTS, "kubernetes", lambda one: len(one["subsets"]) == 2, "default")
        await world.calm(*made)
        places.discard(Place("10.244.3.1", 7443))
        for one in made:
            one.changed()
        await world.until_gone(SLICES, "kubernetes-7443", "default")
        await world.until_one(ENDPOINTS, "kubernetes", lambda one: len(one["subsets"]) == 1, "default")


async def test_servers_of_either_family_have_slices_of_their_own() -> None:
    """Which the API takes: a slice is of one family, and stays of that."""
    four, six = Place("10.244.1.1", 6443), Place("fd00:10:244::1", 6443)
    places = [six]
    made: list[KubernetesService] = []

    def server(world: World) -> KubernetesService:
        made.append(KubernetesService(world.shared, SERVICE, lambda: sorted(places)))
        return made[-1]

    async with working(server) as world:
        await world.until_one(SLICES, "kubernetes", lambda one: one["addressType"] == "IPv6", "default")
        places.append(four)
        made[0].changed()
        await world.until_one(SLICES, "kubernetes", lambda one: one["addressType"] == "IPv4", "default")
        await world.until_one(SLICES, "kubernetes-6443-ipv6", lambda one: one["addressType"] == "IPv6", "default")
        await world.until_one(ENDPOINTS, "kubernetes", lambda one: len(one["subsets"]) == 2, "default")
        await world.calm(*made)
