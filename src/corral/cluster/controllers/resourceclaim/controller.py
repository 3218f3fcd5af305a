"""Claims of devices: made for pods that name a template, and given back when no pod uses them any more.

Two kinds of keys: "pod:" and "claim:" with namespace and name. Who gets which devices is the scheduler's business.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS, RESOURCE_CLAIM_TEMPLATES, RESOURCE_CLAIMS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.claiming import index_owners
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.namespaces import create_in
from corral.cluster.controllers.resourceclaim.claims import names_of, plan_claim, plan_missing, plan_statuses
from corral.cluster.controllers.resourceclaim.users import FINALIZER, is_done, plan_reservations, plan_upkeep
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError

POD: Final = "pod:"
CLAIM: Final = "claim:"


class ResourceClaimController(Controller):
    name = "resource-claim-controller"

    def __init__(self, shared: Shared) -> None:
        self._client = shared.client
        self._events = shared.events.recorder("resource_claim")
        self._pods = shared.informers.of(PODS)
        self._claims, self._templates = (
            shared.informers.of(RESOURCE_CLAIMS),
            shared.informers.of(RESOURCE_CLAIM_TEMPLATES),
        )
        super().__init__([self._pods, self._claims, self._templates])
        index_owners(self._claims)
        self._pods.on_change(self._pod_changed)
        self._claims.on_change(self._claim_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        if not pod["spec"].get("resourceClaims") and not names_of(pod):
            return
        if new is not None:
            self.queue.add(f"{POD}{meta.key(new)}")
        if new is None or is_done(new) or (old is not None and meta.uid(old) != meta.uid(new)):
            for name in names_of(pod):
                self.queue.add(f"{CLAIM}{meta.namespace(pod)}/{name}")

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        claim = new or old or {}
        if (owner := _owner(claim)) is not None:
            self.queue.add(f"{POD}{meta.namespace(claim)}/{owner['name']}")
        if new is not None:
            self.queue.add(f"{CLAIM}{meta.key(new)}")

    async def reconcile(self, key: str) -> float | None:
        kind, _, rest = key.partition(":")
        await (self._keep_pod(rest) if f"{kind}:" == POD else self._keep_claim(rest))
        return None

    async def _keep_pod(self, key: str) -> None:
        pod = self._pods.get(key)
        if pod is None or meta.deleting(pod) or is_done(pod):
            return
        owned = [one for one in self._claims.indexed("owner", meta.uid(pod)) if not meta.deleting(one)]
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
        known = [self._claims.get(f"{meta.namespace(pod)}/{name}") for name in names_of(pod)]
        for claim, wanted in plan_reservations(pod, [one for one in known if one is not None]):
            await self._client.update(RESOURCE_CLAIMS, {**claim, "status": wanted}, subresource="status")

    async def _keep_claim(self, key: str) -> None:
        claim = self._claims.get(key)
        if claim is None:
            return
        reserved = (claim.get("status") or {}).get("reservedFor") or ()
        named = {one["uid"]: one["name"] for one in reserved if one.get("resource") == "pods"}
        owner = _owner(claim)
        if owner is not None:
            named[owner["uid"]] = owner["name"]
        users = {uid for uid, name in named.items() if await self._uses(meta.namespace(claim), name, uid)}
        plan = plan_upkeep(claim, users, owner["uid"] if owner is not None else None)
        if plan.status is not None:
            claim = await self._client.update(RESOURCE_CLAIMS, {**claim, "status": plan.status}, subresource="status")
        if plan.release:
            finalizers = [one for one in claim["metadata"].get("finalizers") or () if one != FINALIZER]
            metadata = {**claim["metadata"], "finalizers": finalizers}
            claim = await self._client.update(RESOURCE_CLAIMS, {**claim, "metadata": metadata})
        if plan.delete:
            await self._delete(claim)

    async def _uses(self, namespace: str, name: str, uid: str) -> bool:
        """Whether the pod is there and not done. What the copy does not have yet is asked for."""
        pod = self._pods.get(f"{namespace}/{name}")
        if pod is None or meta.uid(pod) != uid:
            try:
                pod = await self._client.get(PODS, name, namespace)
            except StatusError as error:
                if error.code != 404:
                    raise
                return False
        return meta.uid(pod) == uid and not is_done(pod)

    async def _make(self, pod: Object, name: str, template: str) -> Object | None:
        """StatusError, once that has been told."""
        found = self._templates.get(f"{meta.namespace(pod)}/{template}")
        try:
            if found is None:
                found = await self._client.get(RESOURCE_CLAIM_TEMPLATES, template, meta.namespace(pod))
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


def _owner(claim: Object) -> Object | None:
    """The pod that it was made for."""
    owner = meta.controller_of(claim)
    return owner if owner is not None and owner.get("kind") == "Pod" else None
