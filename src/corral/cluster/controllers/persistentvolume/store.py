"""What the parts of the controller of volumes share: copies, and writes after which the copy is as new as the write."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, NODES, PODS
from corral.cluster.client.events import Recorder
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.persistentvolume.binding import claim_status, volume_status
from corral.cluster.controllers.resources import STORAGE_CLASSES, VOLUMES
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError


class VolumeStore:
    def __init__(self, shared: Shared, recorder: Recorder) -> None:
        self.client, self._now, self.events = shared.client, shared.now, recorder
        informers = shared.informers
        self.claims, self.volumes = informers.of(CLAIMS), informers.of(VOLUMES)
        self.classes, self.nodes, self.pods = informers.of(STORAGE_CLASSES), informers.of(NODES), informers.of(PODS)

    async def write_claim(self, claim: Object | None) -> Object | None:
        """None is written by nobody, and returned."""
        if claim is None:
            return None
        written = await self.client.update(CLAIMS, claim)
        await self.claims.seen(written)
        return written

    async def write_volume(self, volume: Object | None) -> Object | None:
        if volume is None:
            return None
        written = await self.client.update(VOLUMES, volume)
        await self.volumes.seen(written)
        return written

    async def tell_claim(self, claim: Object, phase: str, volume: Object | None) -> Object:
        changed = claim_status(claim, phase, volume)
        if changed is None:
            return claim
        written = await self.client.update(CLAIMS, changed, subresource="status")
        await self.claims.seen(written)
        return written

    async def tell_volume(self, volume: Object, phase: str, message: str = "", reason: str = "") -> Object:
        changed = volume_status(volume, phase, to_text(self._now()), message, reason)
        if changed is None:
            return volume
        written = await self.client.update(VOLUMES, changed, subresource="status")
        await self.volumes.seen(written)
        return written

    async def live_claim(self, key: str) -> Object | None:
        """Before data is given up, the server is asked whether the claim is really gone."""
        namespace, name = meta.split_key(key)
        try:
            return await self.client.get(CLAIMS, name, namespace)
        except StatusError as error:
            if error.code != 404:
                raise
            return None
