"""What becomes of a claim."""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, NODES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.persistentvolume import local
from corral.cluster.controllers.persistentvolume.binding import (
    DONE,
    OLD_PROVISIONER,
    PROVISIONER,
    SELECTED_NODE,
    bound_claim,
    bound_volume,
    note,
    noted,
)
from corral.cluster.controllers.persistentvolume.provisioning import Provisioning
from corral.cluster.controllers.persistentvolume.store import VolumeStore
from corral.model.kubernetes.status import StatusError
from corral.model.kubernetes.volumes import class_of, find_volume, is_for, mismatch

NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
_LOST_REFERENCE: Final = "Bound claim has lost reference to PersistentVolume. Data on the volume is lost!"
_LOST_VOLUME: Final = "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
_MISBOUND: Final = "Two claims are bound to the same volume, this one is bound incorrectly"
_EXTERNAL: Final = (
    "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system "
    "administrator. If volume creation is delayed, please verify that the provisioner is running and correctly "
    "registered."
)


class Claims:
    def __init__(self, store: VolumeStore, provisioning: Provisioning) -> None:
        self._store, self._provisioning = store, provisioning

    async def sync(self, claim: Object) -> None:
        """StatusError, OSError."""
        if note(claim, DONE):
            await self._sync_bound(claim)
        elif claim["spec"].get("volumeName"):
            await self._sync_wished(claim)
        else:
            await self._sync_open(claim)

    async def bind(self, volume: Object, claim: Object) -> None:
        """The volume first: whoever finds one half of it done does the other."""
        volume = await self._store.write_volume(bound_volume(volume, claim)) or volume
        volume = await self._store.tell_volume(volume, "Bound")
        claim = await self._store.write_claim(bound_claim(claim, volume)) or claim
        await self._store.tell_claim(claim, "Bound", volume)

    async def _sync_bound(self, claim: Object) -> None:
        name = claim["spec"].get("volumeName")
        volume = self._store.volumes.get(name) if name else None
        if volume is None:
            await self._lose(claim, "ClaimLost", _LOST_VOLUME if name else _LOST_REFERENCE)
        elif not volume["spec"].get("claimRef") or is_for(volume, claim):
            await self.bind(volume, claim)
            await self._provisioning.resize(volume, claim)
        else:
            await self._lose(claim, "ClaimMisbound", _MISBOUND)

    async def _lose(self, claim: Object, reason: str, message: str) -> None:
        if (claim.get("status") or {}).get("phase") != "Lost":
            await self._store.tell_claim(claim, "Lost", None)
            self._store.events.warning(claim, reason, message)

    async def _sync_wished(self, claim: Object) -> None:
        """The claim's maker has named a volume."""
        volume = self._store.volumes.get(claim["spec"]["volumeName"])
        if volume is not None and not volume["spec"].get("claimRef"):
            reason = mismatch(volume, claim)
            if not reason:
                await self.bind(volume, claim)
                return
            text = f'Cannot bind to requested volume "{meta.name(volume)}": {reason}'
            self._store.events.warning(claim, "VolumeMismatch", text)
        elif volume is not None and is_for(volume, claim):
            await self.bind(volume, claim)
            return
        elif volume is not None:
            text = f'volume "{meta.name(volume)}" already bound to a different claim.'
            self._store.events.warning(claim, "FailedBinding", text)
        await self._store.tell_claim(claim, "Pending", None)

    async def _sync_open(self, claim: Object) -> None:
        claim = await self._with_class(claim)
        storage_class = self._store.classes.get(class_of(claim)) if class_of(claim) else None
        waits = storage_class is not None and storage_class.get("volumeBindingMode") == "WaitForFirstConsumer"
        selected = note(claim, SELECTED_NODE)
        volume = find_volume(claim, self._store.volumes.all(), delayed=waits)
        if volume is not None:
            await self.bind(volume, claim)
            return
        claim = await self._store.tell_claim(claim, "Pending", None)
        if waits and not selected:
            self._wait(claim)
        elif storage_class is not None:
            await self._provision(claim, storage_class, selected)
        elif class_of(claim):
            text = f'storageclass.storage.k8s.io "{class_of(claim)}" not found'
            self._store.events.warning(claim, "ProvisioningFailed", text)
        else:
            text = "no persistent volumes available for this claim and no storage class is set"
            self._store.events.normal(claim, "FailedBinding", text)

    async def _with_class(self, claim: Object) -> Object:
        """A claim that says nothing about its class gets the default one, also when that comes later than the claim."""
        if claim["spec"].get("storageClassName") is not None or class_of(claim):
            return claim
        defaults = [one for one in self._store.classes.all() if note(one, local.DEFAULT_CLASS) == "true"]
        if not defaults:
            return claim
        newest = max(defaults, key=lambda one: (one["metadata"]["creationTimestamp"], meta.name(one)))
        spec = {**claim["spec"], "storageClassName": meta.name(newest)}
        return await self._store.write_claim({**claim, "spec": spec}) or claim

    def _wait(self, claim: Object) -> None:
        users = [pod for pod in self._store.pods.indexed("claims", meta.key(claim)) if not pod["spec"].get("nodeName")]
        if users:
            names = ",".join(sorted(meta.name(pod) for pod in users))
            text = f"waiting for pod {names} to be scheduled"
            self._store.events.normal(claim, "WaitForPodScheduled", text)
        else:
            text = "waiting for first consumer to be created before binding"
            self._store.events.normal(claim, "WaitForFirstConsumer", text)

    async def _provision(self, claim: Object, storage_class: Object, selected: str) -> None:
        provisioner = storage_class["provisioner"]
        if provisioner == NO_PROVISIONER:
            text = f"storageClass {meta.name(storage_class)} does not support dynamic provisioning"
            self._store.events.normal(claim, "FailedBinding", text)
            return
        if note(claim, PROVISIONER) != provisioner:
            marked = noted(claim, {PROVISIONER: provisioner, OLD_PROVISIONER: provisioner})
            claim = await self._store.write_claim(marked) or claim
        if provisioner != local.PROVISIONER:
            self._store.events.normal(claim, "ExternalProvisioning", _EXTERNAL.format(provisioner))
            return
        if selected and await self._is_gone(selected):
            patch = {"metadata": {"annotations": {SELECTED_NODE: None}}}  # so that the pod is placed again
            await self._store.client.patch(CLAIMS, meta.name(claim), meta.namespace(claim), patch=patch)
            return
        volume = await self._provisioning.provision(claim, storage_class, selected)
        if volume is not None:
            await self.bind(volume, claim)

    async def _is_gone(self, node: str) -> bool:
        if self._store.nodes.get(node) is not None:
            return False
        try:
            await self._store.client.get(NODES, node)
        except StatusError as error:
            if error.code != 404:
                raise
            return True
        return False
