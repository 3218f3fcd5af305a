"""Mirrors Endpoints into EndpointSlices. One key: the Endpoints, and the Service of the same name."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.endpointslice.controller import index_slices, slices_of
from corral.cluster.controllers.endpointslice.plan import SlicePlan
from corral.cluster.controllers.endpointslice.writing import write
from corral.cluster.controllers.endpointslicemirroring.mirror import MANAGER, is_mirrored, plan_mirror
from corral.cluster.controllers.resources import ENDPOINTS, SLICES
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.labels import SERVICE_NAME


class EndpointSliceMirroringController(Controller):
    """Slices go when their Endpoints go, or are no longer mirrored."""

    name = "endpointslice-mirroring-controller"

    def __init__(self, shared: Shared) -> None:
        self._client, informers = shared.client, shared.informers
        self._services, self._endpoints = informers.of(SERVICES), informers.of(ENDPOINTS)
        self._slices = informers.of(SLICES)
        super().__init__([self._services, self._endpoints, self._slices])
        index_slices(self._slices, MANAGER)
        self._services.on_change(self._changed)
        self._endpoints.on_change(self._changed)
        self._slices.on_change(self._slice_changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self.queue.add(meta.key(new or old or {}))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        service = (one["metadata"].get("labels") or {}).get(SERVICE_NAME)
        if service:
            self.queue.add(f"{meta.namespace(one)}/{service}")

    async def reconcile(self, key: str) -> float | None:
        endpoints, service = self._endpoints.get(key), self._services.get(key)
        existing = self._slices.indexed(slices_of(MANAGER), key)
        if endpoints is not None and service is not None and is_mirrored(endpoints, service):
            plan = plan_mirror(endpoints, service, existing)
        else:
            plan = SlicePlan([], [], existing)
        await write(self._client, self._slices, plan)
        return None
