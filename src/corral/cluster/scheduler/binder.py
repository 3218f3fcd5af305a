"""Binder: a pod that was decided upon gets its volumes, then its node."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, PODS, RESOURCE_CLAIMS, VOLUMES
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import STRATEGIC_MERGE_PATCH, Client
from corral.cluster.scheduler.devices.extended import plan_status
from corral.cluster.scheduler.devices.results import FINALIZER, is_reserved, plan_reserved
from corral.cluster.scheduler.storage.storage import SELECTED_NODE, Storage, is_bound
from corral.errors import CorralError
from corral.model.kubernetes.status import StatusError

if TYPE_CHECKING:
    from corral.cluster.scheduler.devices.state import ClaimPlan
    from corral.cluster.scheduler.storage.plan import VolumePlan

Object = dict[str, Any]

BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"


class BindingFailed(CorralError):
    """Volumes were not there in time, or not where they should be."""


def binding(pod: Object, node: str) -> Object:
    """Pure: what is posted to a pod's subresource `binding`.

    >>> binding({"metadata": {"name": "web", "namespace": "default", "uid": "u"}}, "node-1")["target"]
    {'apiVersion': 'v1', 'kind': 'Node', 'name': 'node-1'}
    """
    metadata = {"name": meta.name(pod), "namespace": meta.namespace(pod), "uid": meta.uid(pod)}
    return {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": metadata,
        "target": {"apiVersion": "v1", "kind": "Node", "name": node},
    }


def claim_reference(claim: Object) -> Object:
    """Pure: how a volume says whose it is."""
    metadata = claim["metadata"]
    return {
        "kind": "PersistentVolumeClaim",
        "apiVersion": "v1",
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }


class Binder:
    """`claims`: of volumes, `devices`: the claims of those. `timeout`: seconds for volumes."""

    def __init__(self, client: Client, claims: Informer, devices: Informer, timeout: float) -> None:
        self._client, self._claims, self._devices, self._timeout = client, claims, devices, timeout
        self._changed = asyncio.Event()
        claims.on_change(self._claim_changed)

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        """Wakes all who wait; each looks for itself."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def bind(self, pod: Object, node: str) -> None:
        """StatusError: 404 and 409 when the pod has gone, or was bound by somebody else."""
        await self._client.create(PODS, binding(pod, node), meta.namespace(pod), subresource="binding")

    async def bind_claims(self, plan: ClaimPlan, pod: Object) -> None:
        """The pod is a user of all its claims, which have their devices, when this returns. StatusError."""
        for claim in plan.claims:
            if not is_reserved(claim, meta.uid(pod)):
                written = await self._reserve(claim, pod, plan.allocations.get(meta.uid(claim)))
                await self._devices.seen(written)
        if plan.extended is not None:
            await self._make(plan, plan.extended, pod)

    async def _make(self, plan: ClaimPlan, planned: Object, pod: Object) -> None:
        """The pod's status names the claim before the pod has a node: there it is looked for."""
        metadata = {key: value for key, value in planned["metadata"].items() if key not in ("name", "uid")}
        made = await self._client.create(RESOURCE_CLAIMS, {**planned, "metadata": metadata}, meta.namespace(pod))
        plan.made.append(made)
        await self._devices.seen(await self._reserve(made, pod, plan.allocations[meta.uid(planned)]))
        status = {"extendedResourceClaimStatus": plan_status(pod, made)}
        await self._client.patch(
            PODS,
            meta.name(pod),
            meta.namespace(pod),
            patch={"metadata": {"uid": meta.uid(pod)}, "status": status},
            type=STRATEGIC_MERGE_PATCH,
            subresource="status",
        )

    async def _reserve(self, claim: Object, pod: Object, allocation: Object | None) -> Object:
        finalizers = claim["metadata"].get("finalizers") or []
        if allocation is not None and FINALIZER not in finalizers:
            metadata = {**claim["metadata"], "finalizers": [*finalizers, FINALIZER]}
            claim = await self._client.update(RESOURCE_CLAIMS, {**claim, "metadata": metadata})
        status = plan_reserved(claim, pod, allocation)
        return await self._client.update(RESOURCE_CLAIMS, {**claim, "status": status}, subresource="status")

    async def release_claims(self, plan: ClaimPlan, pod: Object) -> None:
        """The pod does not come to its node: it is no user of its claims any more. Whoever fails here leaves that to
        the controller of claims."""
        uid = meta.uid(pod)
        for claim in plan.made:
            with suppress(StatusError, OSError):
                await self.discard(claim)
        for claim in plan.claims:
            known = self._devices.get(meta.key(claim))
            if known is None or meta.uid(known) != meta.uid(claim) or not is_reserved(known, uid):
                continue
            users = [one for one in known["status"]["reservedFor"] if one.get("uid") != uid]
            with suppress(StatusError, OSError):
                status = {**known["status"], "reservedFor": users}
                await self._client.update(RESOURCE_CLAIMS, {**known, "status": status}, subresource="status")

    async def discard(self, claim: Object) -> None:
        """A claim that was made for a pod that did not come to its node. StatusError."""
        name, namespace = meta.name(claim), meta.namespace(claim)
        fresh = await self._client.get(RESOURCE_CLAIMS, name, namespace)
        if meta.uid(fresh) != meta.uid(claim):
            return
        kept = [one for one in fresh["metadata"].get("finalizers") or () if one != FINALIZER]
        await self._client.update(RESOURCE_CLAIMS, {**fresh, "metadata": {**fresh["metadata"], "finalizers": kept}})
        await self._client.delete(RESOURCE_CLAIMS, name, namespace, options={"preconditions": {"uid": meta.uid(claim)}})

    async def deallocate(self, claim: Object) -> None:
        """Devices that nobody uses are given back: the claim may get others. StatusError."""
        status = {key: value for key, value in claim["status"].items() if key not in ("allocation", "reservedFor")}
        await self._client.update(RESOURCE_CLAIMS, {**claim, "status": status}, subresource="status")

    async def bind_volumes(self, plan: VolumePlan, node: str, storage: Storage) -> None:
        """Says which volumes are wanted, and returns when all claims have theirs. StatusError, BindingFailed."""
        for claim, volume in plan.bind:
            await self._client.update(VOLUMES, claimed(volume, claim))
        for claim in plan.provision:
            patch = {"metadata": {"annotations": {SELECTED_NODE: node}}}
            await self._client.patch(CLAIMS, meta.name(claim), meta.namespace(claim), patch=patch)
        keys = [meta.key(claim) for claim in (*(claim for claim, _ in plan.bind), *plan.provision)]
        provisioned = {meta.key(claim) for claim in plan.provision}
        selected: set[str] = set()
        try:
            async with asyncio.timeout(self._timeout):
                while True:
                    changed = self._changed
                    if all([self._has_volume(key, node, key in provisioned, selected) for key in keys]):
                        return
                    await changed.wait()
        except TimeoutError:
            raise BindingFailed("binding volumes: context deadline exceeded") from None

    def _has_volume(self, key: str, node: str, provisioned: bool, selected: set[str]) -> bool:
        """`selected`: the claims that were seen with their node; one that then loses it cannot be had there."""
        claim = self._claims.get(key)
        if claim is None:
            missing = f'could not find v1.PersistentVolumeClaim "{key}"'
            raise BindingFailed(
                f"binding volumes: failed to check {'provisioning pvc' if provisioned else 'binding'}: {missing}"
            )
        if is_bound(claim):
            return True
        if provisioned:
            chosen = (claim["metadata"].get("annotations") or {}).get(SELECTED_NODE)
            if chosen == node:
                selected.add(key)
            elif key in selected:
                raise BindingFailed(f'binding volumes: provisioning failed for PVC "{meta.name(claim)}"')
        return False


def claimed(volume: Object, claim: Object) -> Object:
    """Pure: the volume, given to a claim; whoever binds volumes does the rest."""
    annotations = {**(volume["metadata"].get("annotations") or {}), BY_CONTROLLER: "yes"}
    return {
        **volume,
        "metadata": {**volume["metadata"], "annotations": annotations},
        "spec": {**volume["spec"], "claimRef": claim_reference(claim)},
    }
