"""The finalizers of claims and volumes: there from the beginning, taken away when nothing uses them any more.

Follows k8s.io/kubernetes/pkg/controller/volume/{pvcprotection,pvprotection}. One key: a claim, or a volume.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, PODS
from corral.cluster.client.protocol import Client, Collection, Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.persistentvolume.controller import CLAIMS_OF_PODS, claims_of
from corral.cluster.controllers.resources import VOLUMES
from corral.cluster.controllers.shared import Shared

CLAIM: Final = "kubernetes.io/pvc-protection"
VOLUME: Final = "kubernetes.io/pv-protection"


def plan_finalizers(obj: Object, finalizer: str, *, used: bool) -> list[str] | None:
    """Pure: the finalizers that it should have; None when it has them.

    >>> plan_finalizers({"metadata": {}}, "a", used=False)
    ['a']
    >>> plan_finalizers({"metadata": {"finalizers": ["a"], "deletionTimestamp": "…"}}, "a", used=False)
    []
    """
    found = obj["metadata"].get("finalizers") or []
    if not meta.deleting(obj):
        return None if finalizer in found else [*found, finalizer]
    return [one for one in found if one != finalizer] if finalizer in found and not used else None


async def write(client: Client, of: Collection, obj: Object, finalizers: list[str]) -> None:
    metadata = {"finalizers": finalizers or None, "resourceVersion": obj["metadata"]["resourceVersion"]}
    await client.patch(of, meta.name(obj), meta.namespace(obj), patch={"metadata": metadata})


def uses(pod: Object, claim: str) -> bool:
    """Pure: whether a pod that has a node keeps the claim. One that has ended still does until it is deleted."""
    return bool(pod["spec"].get("nodeName")) and claim in claims_of(pod)


class ClaimProtection(Controller):
    name = "persistentvolumeclaim-protection-controller"

    def __init__(self, shared: Shared) -> None:
        self._client = shared.client
        self._claims, self._pods = shared.informers.of(CLAIMS), shared.informers.of(PODS)
        super().__init__([self._claims, self._pods])
        self._pods.add_index(CLAIMS_OF_PODS, claims_of)
        self._claims.on_change(self._claim_changed)
        self._pods.on_change(self._pod_changed)

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            for key in claims_of(old):
                self.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        claim = self._claims.get(key)
        if claim is None:
            return None
        used = any(uses(pod, key) for pod in self._pods.indexed(CLAIMS_OF_PODS, key))
        finalizers = plan_finalizers(claim, CLAIM, used=used)
        if finalizers is None:
            return None
        if meta.deleting(claim):  # the copy may be behind: a pod that just started keeps it
            pods = await self._client.list(PODS, meta.namespace(claim))
            if any(uses(pod, key) for pod in pods.items):
                return None
        await write(self._client, CLAIMS, claim, finalizers)
        return None


class VolumeProtection(Controller):
    name = "persistentvolume-protection-controller"

    def __init__(self, shared: Shared) -> None:
        self._client = shared.client
        self._volumes = shared.informers.of(VOLUMES)
        super().__init__([self._volumes])
        self._volumes.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.name(new))

    async def reconcile(self, key: str) -> float | None:
        volume = self._volumes.get(key)
        if volume is None:
            return None
        used = (volume.get("status") or {}).get("phase") == "Bound"
        finalizers = plan_finalizers(volume, VOLUME, used=used)
        if finalizers is not None:
            await write(self._client, VOLUMES, volume, finalizers)
        return None
