"""Claims of devices for pods that name a template. One key: a pod, which owns its claims; one that has ended needs
none.

Nobody allots devices here: the scheduler leaves such a pod pending, as upstream's does where no driver offers any.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.controllers.common.claiming import index_owners
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.namespaces import create_in
from corral.cluster.controllers.resourceclaim.claims import is_over, plan_claim, plan_missing, plan_statuses
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError

RESOURCE_CLAIMS: Final = Collection("resource.k8s.io", "v1", "resourceclaims")
TEMPLATES: Final = Collection("resource.k8s.io", "v1", "resourceclaimtemplates")


class ResourceClaimController(Controller):
    name = "resource-claim-controller"

    def __init__(self, shared: Shared) -> None:
        self._client = shared.client
        self._events = shared.events.recorder("resource_claim")
        self._pods = shared.informers.of(PODS)
        self._claims, self._templates = shared.informers.of(RESOURCE_CLAIMS), shared.informers.of(TEMPLATES)
        super().__init__([self._pods, self._claims, self._templates])
        index_owners(self._claims)
        self._pods.on_change(self._pod_changed)
        self._claims.on_change(self._claim_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and new["spec"].get("resourceClaims"):
            self.queue.add(meta.key(new))

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        owner = meta.controller_of(new or old or {})
        if owner is not None and owner.get("kind") == "Pod":
            self.queue.add(f"{meta.namespace(new or old or {})}/{owner['name']}")

    async def reconcile(self, key: str) -> float | None:
        pod = self._pods.get(key)
        if pod is None or meta.deleting(pod):
            return None
        owned = [one for one in self._claims.indexed("owner", meta.uid(pod)) if not meta.deleting(one)]
        if is_over(pod):
            for claim in owned:
                await self._delete(claim)
            return None
        have, missing = plan_missing(pod, owned)
        for name, template in missing.items():
            made = await self._make(pod, name, template)
            if made is not None:
                have[name] = meta.name(made)
        statuses = plan_statuses(pod, have)
        status = pod.get("status") or {}
        if statuses and statuses != status.get("resourceClaimStatuses"):
            changed = {**pod, "status": {**status, "resourceClaimStatuses": statuses}}
            await self._pods.seen(await self._client.update(PODS, changed, subresource="status"))
        return None

    async def _make(self, pod: Object, name: str, template: str) -> Object | None:
        """StatusError, once that has been told."""
        found = self._templates.get(f"{meta.namespace(pod)}/{template}")
        try:
            if found is None:
                found = await self._client.get(TEMPLATES, template, meta.namespace(pod))
            made = await create_in(self._client, RESOURCE_CLAIMS, plan_claim(pod, name, found))
        except StatusError as error:
            text = f'PodResourceClaim {name}: resource claim template "{template}": {error}'
            self._events.warning(pod, "FailedResourceClaimCreation", text)
            raise
        if made is not None:
            await self._claims.seen(made)
        return made

    async def _delete(self, claim: Object) -> None:
        options = {"preconditions": {"uid": meta.uid(claim)}}
        try:
            await self._client.delete(RESOURCE_CLAIMS, meta.name(claim), meta.namespace(claim), options=options)
        except StatusError as error:
            if error.code not in (404, 409):
                raise
