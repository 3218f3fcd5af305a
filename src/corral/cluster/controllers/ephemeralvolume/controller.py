"""Claims of ephemeral volumes. One key: a pod. The claim goes with the pod, which owns it.

Follows k8s.io/kubernetes/pkg/controller/volume/ephemeral.
"""

from __future__ import annotations

from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, PODS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.namespaces import create_in
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError


def plan_claim(pod: Object, volume: dict[str, Any]) -> Object:
    """Pure: the claim of one volume of a pod.

    >>> pod = {"metadata": {"namespace": "a", "name": "web", "uid": "1"}}
    >>> volume = {"name": "cache", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"]}}}}
    >>> found = plan_claim(pod, volume)
    >>> found["metadata"]["name"], found["spec"]
    ('web-cache', {'accessModes': ['ReadWriteOnce']})
    """
    template = volume["ephemeral"]["volumeClaimTemplate"]
    metadata = {key: (template.get("metadata") or {}).get(key) for key in ("labels", "annotations")}
    return {
        "metadata": {
            **{key: value for key, value in metadata.items() if value},
            "name": f"{meta.name(pod)}-{volume['name']}",
            "namespace": meta.namespace(pod),
            "ownerReferences": [meta.reference(pod, "v1", "Pod")],
        },
        "spec": template["spec"],
    }


class EphemeralVolumeController(Controller):
    """A claim of the same name that is not the pod's stands in its way: that is told, and tried again."""

    name = "ephemeral-volume-controller"

    def __init__(self, shared: Shared) -> None:
        self._client = shared.client
        self._events = shared.events.recorder("ephemeral_volume")
        self._pods, self._claims = shared.informers.of(PODS), shared.informers.of(CLAIMS)
        super().__init__([self._pods, self._claims])
        self._pods.on_change(self._pod_changed)
        self._claims.on_change(self._claim_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and any("ephemeral" in one for one in new["spec"].get("volumes") or ()):
            self.queue.add(meta.key(new))

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        owner = meta.controller_of(old) if new is None and old is not None else None
        if owner is not None and owner.get("kind") == "Pod":
            self.queue.add(f"{meta.namespace(old or {})}/{owner['name']}")

    async def reconcile(self, key: str) -> float | None:
        pod = self._pods.get(key)
        if pod is None or meta.deleting(pod):
            return None
        for volume in pod["spec"].get("volumes") or ():
            if "ephemeral" in volume:
                await self._ensure(pod, volume)
        return None

    async def _ensure(self, pod: Object, volume: dict[str, Any]) -> None:
        wanted = plan_claim(pod, volume)
        found = self._claims.get(meta.key(wanted))
        if found is None:
            try:
                made = await create_in(self._client, CLAIMS, wanted)
            except StatusError as error:
                text = f'ephemeral volume "{volume["name"]}": create PVC {meta.name(wanted)}: {error}'
                self._events.warning(pod, "FailedCreate", text)
                raise
            if made is not None:
                await self._claims.seen(made)
                return
            found = self._claims.get(meta.key(wanted))
        if found is not None and not meta.controlled_by(found, pod):
            text = f'PVC "{meta.key(wanted)}" was not created for pod "{meta.key(pod)}" (pod is not owner)'
            self._events.warning(pod, "FailedCreate", text)
