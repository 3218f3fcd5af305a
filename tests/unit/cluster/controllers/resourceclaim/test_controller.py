from __future__ import annotations

from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.builtin import EVENTS, PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS
from corral.cluster.controllers.resourceclaim.controller import ResourceClaimController
from corral.cluster.controllers.resourceclaim.users import FINALIZER
from tests.support.world import World, working

Object = dict[str, Any]

DEVICES = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}}
ASKS = [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]


async def test_a_pod_has_a_claim_of_its_own() -> None:
    async with working(ResourceClaimController) as world:
        template = {"metadata": {"name": "one-gpu"}, "spec": {"metadata": {"labels": {"a": "b"}}, "spec": DEVICES}}
        await world.create(RESOURCE_CLAIM_TEMPLATES, template, "default")
        pod = await world.pod("p", spec={"resourceClaims": ASKS})
        [claim] = await world.until(RESOURCE_CLAIMS, lambda found: len(found) == 1)
        assert meta.name(claim).startswith("p-gpu-") and meta.controlled_by(claim, pod)
        assert claim["metadata"]["labels"] == {"a": "b"}
        assert claim["metadata"]["annotations"] == {"resource.kubernetes.io/pod-claim-name": "gpu"}
        wanted = [{"name": "gpu", "resourceClaimName": meta.name(claim)}]
        await world.until_one(PODS, "p", lambda one: one["status"]["resourceClaimStatuses"] == wanted)
        await world.client.delete(RESOURCE_CLAIMS, meta.name(claim), "default")
        [again] = await world.until(
            RESOURCE_CLAIMS, lambda found: len(found) == 1 and meta.uid(found[0]) != meta.uid(claim)
        )
        await world.until_one(
            PODS, "p", lambda one: one["status"]["resourceClaimStatuses"][0]["resourceClaimName"] == meta.name(again)
        )
        await world.status(PODS, pod, {"phase": "Succeeded"})
        await world.until(RESOURCE_CLAIMS, lambda found: not found)


async def test_a_template_that_is_not_there_is_told() -> None:
    async with working(ResourceClaimController) as world:
        await world.pod("p", spec={"resourceClaims": ASKS})
        [event] = await world.until(EVENTS, lambda found: len(found) == 1)
        assert event["reason"] == "FailedResourceClaimCreation"
        assert event["message"].startswith('PodResourceClaim gpu: resource claim template "one-gpu": ')


def reserved(*pods: Object) -> Object:
    result = {"request": "gpu", "driver": "d", "pool": "p", "device": "x"}
    users = [{"resource": "pods", "name": meta.name(one), "uid": meta.uid(one)} for one in pods]
    return {"allocation": {"devices": {"results": [result]}}, "reservedFor": users}


async def claim_of(world: World, name: str, *pods: Object) -> Object:
    """One that has a device, and those users."""
    about = {"name": name, "finalizers": [FINALIZER]}
    made = await world.create(RESOURCE_CLAIMS, {"metadata": about, "spec": DEVICES}, "default")
    return await world.status(RESOURCE_CLAIMS, made, reserved(*pods))


async def test_devices_that_nobody_uses_are_given_back() -> None:
    asks = [{"name": "gpu", "resourceClaimName": "shared"}]
    async with working(ResourceClaimController) as world:
        one = await world.pod("one", spec={"resourceClaims": asks})
        two = await world.pod("two", spec={"resourceClaims": asks})
        await claim_of(world, "shared", one, two)
        await world.status(PODS, one, {"phase": "Failed"})
        left = await world.until_one(RESOURCE_CLAIMS, "shared", lambda it: len(it["status"]["reservedFor"]) == 1)
        assert left["status"]["reservedFor"][0]["name"] == "two" and left["status"]["allocation"]
        await world.client.delete(PODS, "two", "default", options={"gracePeriodSeconds": 0})
        await world.until_one(RESOURCE_CLAIMS, "shared", lambda it: not it["status"] and FINALIZER not in str(it))
        assert meta.uid(two) != meta.uid(one)


async def test_a_claim_in_use_is_kept_from_being_deleted() -> None:
    asks = [{"name": "gpu", "resourceClaimName": "shared"}]
    async with working(ResourceClaimController) as world:
        pod = await world.pod("one", spec={"resourceClaims": asks})
        await claim_of(world, "shared", pod)
        await world.client.delete(RESOURCE_CLAIMS, "shared", "default")
        await world.until_one(RESOURCE_CLAIMS, "shared", meta.deleting)
        await world.status(PODS, pod, {"phase": "Succeeded"})
        await world.until(RESOURCE_CLAIMS, lambda found: not found)


async def test_who_chose_its_node_itself_is_a_user_too() -> None:
    asks = [{"name": "gpu", "resourceClaimName": "mine"}]
    async with working(ResourceClaimController) as world:
        other = await world.pod("other", spec={"resourceClaims": asks})
        await claim_of(world, "mine", other)
        bound = await world.pod("bound", spec={"resourceClaims": asks, "nodeName": "n1"})
        found = await world.until_one(RESOURCE_CLAIMS, "mine", lambda it: len(it["status"]["reservedFor"]) == 2)
        assert found["status"]["reservedFor"][1]["uid"] == meta.uid(bound)
