"""Makes, grows and takes away the volumes of the built-in provisioner."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.nodelifecycle.health import readiness
from corral.cluster.controllers.persistentvolume import local
from corral.cluster.controllers.persistentvolume.binding import PROVISIONED_BY, note
from corral.cluster.controllers.persistentvolume.store import VolumeStore
from corral.cluster.controllers.resources import VOLUMES
from corral.model.kubernetes import quantity
from corral.model.kubernetes.status import StatusError
from corral.model.kubernetes.volumes import asked, capacity


def is_local(volume: Object) -> bool:
    return note(volume, PROVISIONED_BY) == local.PROVISIONER


class Provisioning:
    def __init__(self, store: VolumeStore, directories: local.Directories) -> None:
        self._store, self._directories = store, directories

    async def provision(self, claim: Object, storage_class: Object, selected: str) -> Object | None:
        """The new volume; None when there can be none now, which the claim's events tell. StatusError."""
        node = self._node(selected)
        name = local.volume_name(claim)
        try:
            if node is None:
                raise local.Refused("no node is ready to hold the volume")
            planned = local.plan_volume(claim, storage_class, node, self._directories.path(name))
            await self._directories.make(name)
        except (local.Refused, OSError) as error:
            text = f'failed to provision volume with StorageClass "{meta.name(storage_class)}": {error}'
            self._store.events.warning(claim, "ProvisioningFailed", text)
            return None
        try:
            made = await self._store.client.create(VOLUMES, planned)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            made = await self._store.client.get(VOLUMES, name)
        await self._store.volumes.seen(made)
        text = f"Successfully provisioned volume {name} using {local.PROVISIONER}"
        self._store.events.normal(claim, "ProvisioningSucceeded", text)
        return made

    def _node(self, selected: str) -> Object | None:
        """Where nobody has chosen, the first that is ready."""
        if selected:
            return self._store.nodes.get(selected)
        ready = [one for one in self._store.nodes.all() if readiness(one) == "True"]
        return min(ready, key=meta.name, default=None)

    async def resize(self, volume: Object, claim: Object) -> None:
        """Grows the volume to what its bound claim asks for. A volume of another provisioner is resized by that."""
        if not is_local(volume):
            return
        wanted = asked(claim)
        if capacity(volume) < wanted:
            spec = {**volume["spec"], "capacity": {**volume["spec"]["capacity"], "storage": str(wanted)}}
            volume = await self._store.write_volume({**volume, "spec": spec}) or volume
        claim = self._store.claims.get(meta.key(claim)) or claim
        status = claim.get("status") or {}
        has = quantity.of_json((status.get("capacity") or {}).get("storage"))
        if status.get("phase") != "Bound" or has >= wanted:
            return
        grown = {**status, "capacity": {**(status.get("capacity") or {}), "storage": str(capacity(volume))}}
        written = await self._store.client.update(CLAIMS, {**claim, "status": grown}, subresource="status")
        await self._store.claims.seen(written)
        text = f"ExpandVolume succeeded for volume {meta.key(claim)}"
        self._store.events.normal(claim, "VolumeResizeSuccessful", text)

    async def delete(self, volume: Object) -> None:
        """The directory first: a volume that is still there is tried again. StatusError, OSError."""
        name = meta.name(volume)
        await self._directories.remove(name)
        try:
            if not meta.deleting(volume):
                options = {"preconditions": {"uid": meta.uid(volume)}}
                volume = await self._store.client.delete(VOLUMES, name, options=options)
            finalizers = volume["metadata"].get("finalizers") or []
            if local.FINALIZER in finalizers:
                rest = [one for one in finalizers if one != local.FINALIZER]
                metadata = {"finalizers": rest or None, "resourceVersion": volume["metadata"]["resourceVersion"]}
                await self._store.client.patch(VOLUMES, name, patch={"metadata": metadata})
        except StatusError as error:
            if error.code != 404:
                raise
