from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import EVENTS, PODS
from corral.cluster.controllers.resourceclaim.controller import RESOURCE_CLAIMS, TEMPLATES, ResourceClaimController
from tests.support.world import working

DEVICES = {"devices": {"requests": [{"name": "gpu", "exactly": {"deviceClassName": "gpu.example.com"}}]}}
ASKS = [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]


async def test_a_pod_has_a_claim_of_its_own() -> None:
    async with working(ResourceClaimController) as world:
        template = {"metadata": {"name": "one-gpu"}, "spec": {"metadata": {"labels": {"a": "b"}}, "spec": DEVICES}}
        await world.create(TEMPLATES, template, "default")
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
