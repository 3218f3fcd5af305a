"""Endpoints of Services that select pods. One key: a Service."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS, SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.endpoints.subsets import MANAGED_BY, MANAGER, plan_endpoints
from corral.cluster.controllers.pacing import Pace
from corral.cluster.controllers.resources import ENDPOINTS
from corral.cluster.controllers.selecting import Selecting, as_endpoint, has_pods
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError


class EndpointsController(Controller):
    """Without a selector a Service's endpoints are somebody else's; those that were ours go with the Service."""

    name = "endpoints-controller"

    def __init__(self, shared: Shared) -> None:
        self._client, informers = shared.client, shared.informers
        self._services, self._pods = informers.of(SERVICES), informers.of(PODS)
        self._endpoints = informers.of(ENDPOINTS)
        super().__init__([self._services, self._pods, self._endpoints])
        self._pace = Pace(0.1, longest=5.0)  # nobody who is in a hurry reads these
        self._selecting = Selecting(self._services, self._pods)
        self._services.on_change(self._changed)
        self._endpoints.on_change(self._endpoints_changed)
        self._pods.on_change(self._pod_changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self.queue.add(meta.key(new or old or {}))

    def _endpoints_changed(self, old: Object | None, new: Object | None) -> None:
        """By us, or by somebody who should not."""
        key = meta.key(new or old or {})
        self.queue.add_after(key, self._pace.delay(key))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and new is not None and as_endpoint(old) == as_endpoint(new):
            return
        for key in self._selecting.services_of((old, new)):
            self.queue.add_after(key, self._pace.delay(key))

    async def reconcile(self, key: str) -> float | None:
        service, current = self._services.get(key), self._endpoints.get(key)
        if service is None:
            self._pace.forget(key)
            await self._clean(current)
        elif has_pods(service) and not meta.deleting(service):
            with self._pace.of(key):
                await self._sync(service, current)
        return None

    async def _sync(self, service: Object, current: Object | None) -> None:
        wanted = plan_endpoints(service, self._selecting.pods_of(service), current)
        if wanted is not None:
            write = self._client.update if current is not None else self._client.create
            await self._endpoints.seen(await write(ENDPOINTS, wanted))

    async def _clean(self, current: Object | None) -> None:
        """Endpoints that nobody manages go, too: from before there was such a label."""
        if current is None or (current["metadata"].get("labels") or {}).get(MANAGED_BY, MANAGER) != MANAGER:
            return
        if "control-plane.alpha.kubernetes.io/leader" in (current["metadata"].get("annotations") or {}):
            return
        try:
            options = {"preconditions": {"uid": meta.uid(current)}}
            await self._client.delete(ENDPOINTS, meta.name(current), meta.namespace(current), options=options)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
