"""EndpointSlices of Services that select pods. One key: a Service."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES, PODS, SERVICES
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.endpointslice.plan import MANAGER, plan_slices
from corral.cluster.controllers.endpointslice.writing import write
from corral.cluster.controllers.pacing import Pace
from corral.cluster.controllers.pods_on_nodes import BY_NODE, index_by_node
from corral.cluster.controllers.resources import SLICES
from corral.cluster.controllers.selecting import Selecting, has_pods
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.labels import SERVICE_NAME, SLICE_MANAGED_BY, ZONE

BY_SERVICE = "service"


def slices_of(manager: str) -> str:
    """The name of the index that has this manager's slices by their Service."""
    return f"{BY_SERVICE} of {manager}"


def index_slices(slices: Informer, manager: str) -> None:
    slices.add_index(slices_of(manager), lambda one: _service_keys(one, manager))


def _service_keys(one: Object, manager: str) -> list[str]:
    labels = one["metadata"].get("labels") or {}
    if labels.get(SLICE_MANAGED_BY) != manager or not labels.get(SERVICE_NAME):
        return []
    return [f"{meta.namespace(one)}/{labels[SERVICE_NAME]}"]


class EndpointSliceController(Controller):
    """Without a selector a Service's endpoints are somebody else's, and an ExternalName has none."""

    name = "endpointslice-controller"

    def __init__(self, shared: Shared) -> None:
        self._client, informers = shared.client, shared.informers
        self._services, self._pods = informers.of(SERVICES), informers.of(PODS)
        self._nodes, self._slices = informers.of(NODES), informers.of(SLICES)
        super().__init__([self._services, self._pods, self._nodes, self._slices])
        self._pace = Pace(0.3)
        self._selecting = Selecting(self._services, self._pods)
        index_by_node(self._pods)
        index_slices(self._slices, MANAGER)
        self._services.on_change(self._service_changed)
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)
        self._slices.on_change(self._slice_changed)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        self.queue.add(meta.key(new or old or {}))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for key in self._selecting.touched(old, new):
            self.queue.add_after(key, self._pace.delay(key))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if _zone(old) == _zone(new):
            return
        name = meta.name(new or old or {})
        for pod in self._pods.indexed(BY_NODE, name):
            self._pod_changed(None, pod)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for one in (old, new):
            for key in _service_keys(one, MANAGER) if one is not None else ():
                self.queue.add_after(key, self._pace.delay(key))  # by us, or by somebody who should not

    async def reconcile(self, key: str) -> float | None:
        service = self._services.get(key)
        if service is None:
            self._pace.forget(key)
        elif has_pods(service) and not meta.deleting(service):
            with self._pace.of(key):
                await self._sync(key, service)
        return None

    async def _sync(self, key: str, service: Object) -> None:
        pods = self._selecting.pods_of(service)
        names = {pod["spec"].get("nodeName", "") for pod in pods}
        found = {name: self._nodes.get(name) for name in names if name}
        zones = {name: _zone(node) or "" for name, node in found.items() if node is not None}
        existing = self._slices.indexed(slices_of(MANAGER), key)
        await write(self._client, self._slices, plan_slices(service, pods, zones, existing))


def _zone(node: Object | None) -> str | None:
    return None if node is None else (node["metadata"].get("labels") or {}).get(ZONE, "")
