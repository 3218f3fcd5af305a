"""What becomes of a volume."""

from __future__ import annotations

from collections.abc import Callable

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.persistentvolume import local
from corral.cluster.controllers.persistentvolume.binding import PROVISIONED_BY, note, released_by
from corral.cluster.controllers.persistentvolume.provisioning import Provisioning, is_local
from corral.cluster.controllers.persistentvolume.store import VolumeStore


class Volumes:
    """`look_at`: puts a claim (by its key) into the queue."""

    def __init__(self, store: VolumeStore, provisioning: Provisioning, look_at: Callable[[str], None]) -> None:
        self._store, self._provisioning, self._look_at = store, provisioning, look_at

    async def sync(self, volume: Object) -> None:
        """StatusError, OSError."""
        reference = volume["spec"].get("claimRef")
        if not reference or not reference.get("uid"):
            if meta.deleting(volume) and is_local(volume):
                await self._provisioning.delete(volume)
            else:
                await self._store.tell_volume(volume, "Available")
            if reference:
                self._look_at(_key(reference))
            return
        claim = await self._claim(reference)
        if claim is None:
            await self._reclaim(volume)
        elif not claim["spec"].get("volumeName"):
            self._look_at(meta.key(claim))
        elif claim["spec"]["volumeName"] == meta.name(volume):
            await self._store.tell_volume(volume, "Bound")
        elif note(volume, PROVISIONED_BY) and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete":
            await self._reclaim(volume)  # it was made for the claim, which has found another meanwhile
        else:
            await self._store.write_volume(released_by(volume))

    async def _claim(self, reference: Object) -> Object | None:
        """The very claim, None when it is gone; the copy may be behind, so the server has the last word."""
        found = self._store.claims.get(_key(reference))
        if found is None or meta.uid(found) != reference["uid"]:
            found = await self._store.live_claim(_key(reference))
        return found if found is not None and meta.uid(found) == reference["uid"] else None

    async def _reclaim(self, volume: Object) -> None:
        phase = (volume.get("status") or {}).get("phase")
        if phase not in ("Released", "Failed"):
            volume = await self._store.tell_volume(volume, "Released")
        match volume["spec"].get("persistentVolumeReclaimPolicy", "Retain"):
            case "Delete" if is_local(volume):
                await self._delete(volume)
            case "Delete" if not note(volume, PROVISIONED_BY):
                await self._fail(volume, "VolumeFailedDelete", "no deletable volume plugin matched")
            case "Recycle":
                await self._fail(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!")
            case "Retain" if meta.deleting(volume) and is_local(volume):
                await self._let_go(volume)

    async def _delete(self, volume: Object) -> None:
        try:
            await self._provisioning.delete(volume)
        except OSError as error:
            await self._fail(volume, "VolumeFailedDelete", str(error))
            raise

    async def _let_go(self, volume: Object) -> None:
        """Its data stays, as its policy says."""
        rest = [one for one in volume["metadata"].get("finalizers") or () if one != local.FINALIZER]
        if rest != (volume["metadata"].get("finalizers") or []):
            metadata = {**volume["metadata"], "finalizers": rest}
            await self._store.write_volume({**volume, "metadata": metadata})

    async def _fail(self, volume: Object, reason: str, message: str) -> None:
        if (volume.get("status") or {}).get("message") != message:
            await self._store.tell_volume(volume, "Failed", message)
            self._store.events.warning(volume, reason, message)


def _key(reference: Object) -> str:
    return f"{reference['namespace']}/{reference['name']}"
