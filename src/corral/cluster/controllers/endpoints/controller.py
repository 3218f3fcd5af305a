"""Endpoints of Services that select pods. One key: a Service."""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS, SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.endpoints.subsets import MANAGED_BY, MANAGER, plan_endpoints
from corral.cluster.controllers.pacing import Pace
from corral.cluster.controllers.resources import ENDPOINTS
from corral.cluster.controllers.selecting import Selecting, has_pods
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError

LEADER: Final = "control-plane.alpha.kubernetes.io/leader"


class EndpointsController(Controller):
    """Without a selector a Service's endpoints are somebody else's, but they go with the Service; those that never had
    one stay."""

    name = "endpoints-controller"

    def __init__(self, shared: Shared) -> None:
        self._client, informers = shared.client, shared.informers
        self._services, self._pods = informers.of(SERVICES), informers.of(PODS)
        self._endpoints = informers.of(ENDPOINTS)
        super().__init__([self._services, self._pods, self._endpoints])
        self._pace = Pace(0.1, longest=5.0)  # nobody who is in a hurry reads these
        self._selecting = Selecting(self._services, self._pods)
        self._bereft: set[str] = set()  # keys of Services that have gone since we look
        self._services.on_change(self._service_changed)
        self._endpoints.on_change(self._endpoints_changed)
        self._pods.on_change(self._pod_changed)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self._bereft.add(meta.key(old))
        self._changed(old, new)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self.queue.add(meta.key(new or old or {}))

    def _endpoints_changed(self, old: Object | None, new: Object | None) -> None:
        """By us, or by somebody who should not."""
        key = meta.key(new or old or {})
        self.queue.add_after(key, self._pace.delay(key))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for key in self._selecting.touched(old, new):
            self.queue.add_after(key, self._pace.delay(key))

    async def reconcile(self, key: str) -> float | None:
        service, current = self._services.get(key), self._endpoints.get(key)
        if service is None:
            self._pace.forget(key)
            if current is not None and goes_along(current, bereft=key in self._bereft):
                await self._delete(current)
        elif has_pods(service) and not meta.deleting(service):
            with self._pace.of(key):
                await self._sync(service, current)
        self._bereft.discard(key)
        return None

    async def _sync(self, service: Object, current: Object | None) -> None:
        wanted = plan_endpoints(service, self._selecting.pods_of(service), current)
        if wanted is not None:
            write = self._client.update if current is not None else self._client.create
            await self._endpoints.seen(await write(ENDPOINTS, wanted))

    async def _delete(self, endpoints: Object) -> None:
        try:
            options = {"preconditions": {"uid": meta.uid(endpoints)}}
            await self._client.delete(ENDPOINTS, meta.name(endpoints), meta.namespace(endpoints), options=options)
        except StatusError as error:
            if error.reason != "NotFound":
                raise


def goes_along(endpoints: Object, *, bereft: bool) -> bool:
    """Pure: whether Endpoints without a Service go. Ours do; those of others only if they have just lost it (`bereft`),
    and those that a leader is elected by never.

    >>> goes_along({"metadata": {"name": "own"}}, bereft=False), goes_along({"metadata": {"name": "own"}}, bereft=True)
    (False, True)
    """
    found = endpoints["metadata"]
    if LEADER in (found.get("annotations") or {}):
        return False
    return bereft or (found.get("labels") or {}).get(MANAGED_BY) == MANAGER
