from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, EVENTS
from corral.cluster.controllers.ephemeralvolume.controller import EphemeralVolumeController
from tests.support.world import working

SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


async def test_a_pod_has_claims_of_its_own() -> None:
    async with working(EphemeralVolumeController) as world:
        other = {"metadata": {"name": "p-taken"}, "spec": SPEC}
        await world.create(CLAIMS, other, "default")
        template = {"metadata": {"labels": {"a": "b"}}, "spec": SPEC}
        volumes = [{"name": name, "ephemeral": {"volumeClaimTemplate": template}} for name in ("cache", "taken")]
        pod = await world.pod("p", spec={"volumes": volumes})
        found = await world.until_one(CLAIMS, "p-cache", lambda one: True)
        assert meta.controlled_by(found, pod)
        assert found["metadata"]["labels"] == {"a": "b"}
        events = await world.until(EVENTS, lambda found: len(found) == 1)
        assert events[0]["message"] == 'PVC "default/p-taken" was not created for pod "default/p" (pod is not owner)'
        await world.client.delete(CLAIMS, "p-cache", "default")
        await world.until_one(CLAIMS, "p-cache", lambda one: meta.uid(one) != meta.uid(found))
