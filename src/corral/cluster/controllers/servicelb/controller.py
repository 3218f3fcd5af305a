"""Says at which addresses Services of type LoadBalancer are reached. One key: a Service."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES, SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.nodelifecycle.health import readiness
from corral.cluster.controllers.resources import SLICES
from corral.cluster.controllers.servicelb.plan import (
    EXCLUDED,
    NotOurs,
    Plan,
    held_addresses,
    is_ours,
    node_addresses,
    plan_ingress,
    plan_taken,
    wanted_ports,
)
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.labels import SERVICE_NAME

ALL_SLICES = "all slices of a service"
PORT_OF_BALANCERS = "load balancers by port"


class ServiceLoadBalancer(Controller):
    """A Service that is no longer a LoadBalancer loses its addresses."""

    name = "service-lb-controller"

    def __init__(self, shared: Shared) -> None:
        self._client = shared.client
        self._events = shared.events.recorder("service-controller")
        self._services, self._nodes = shared.informers.of(SERVICES), shared.informers.of(NODES)
        self._slices = shared.informers.of(SLICES)
        super().__init__([self._services, self._nodes, self._slices])
        self._slices.add_index(ALL_SLICES, _service_of)
        self._services.add_index(PORT_OF_BALANCERS, _ports)
        self._services.on_change(self._service_changed)
        self._nodes.on_change(self._node_changed)
        self._slices.on_change(self._slice_changed)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (is_ours(new) or is_ours(old)):
            self.queue.add(meta.key(new))
        if _claims(old) != _claims(new):
            for one in filter(None, (old, new)):
                for rival in self._rivals(one):
                    self.queue.add(meta.key(rival))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if _counts(old) != _counts(new):
            for service in self._services.all():
                if is_ours(service):
                    self.queue.add(meta.key(service))

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for key in _service_of(new or old or {}):
            service = self._services.get(key)
            if is_ours(service) and (service or {})["spec"].get("externalTrafficPolicy") == "Local":
                self.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        service = self._services.get(key)
        if service is None or meta.deleting(service):
            return None
        before = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        plan = Plan([])
        if is_ours(service):
            try:
                taken = plan_taken(service, self._rivals(service))
                plan = plan_ingress(service, self._nodes.all(), self._local_nodes(key), taken)
            except NotOurs as error:
                text = f"Error syncing load balancer: {error}"
                self._events.warning(service, "SyncLoadBalancerFailed", text)
        elif service["spec"].get("type") == "LoadBalancer":
            return None
        wanted = plan.ingress
        if wanted == [{"ipMode": "VIP", **one} for one in before]:
            return None
        if wanted and not before and not plan.holder:
            self._events.normal(service, "EnsuringLoadBalancer", "Ensuring load balancer")
        elif before and not is_ours(service):
            self._events.normal(service, "DeletingLoadBalancer", "Deleting load balancer")
        status = {**(service.get("status") or {}), "loadBalancer": {"ingress": wanted} if wanted else {}}
        written = await self._client.update(SERVICES, {**service, "status": status}, subresource="status")
        if plan.holder:
            text = f"The port is {plan.holder}'s at the nodes: reached at its cluster IP, by nodes and their pods alone"
            self._events.warning(service, "LoadBalancerPortInUse", text)
        elif wanted and not before:
            self._events.normal(service, "EnsuredLoadBalancer", "Ensured load balancer")
        elif before and not is_ours(service):
            self._events.normal(service, "DeletedLoadBalancer", "Deleted load balancer")
        await self._services.seen(written)
        return None

    def _rivals(self, service: Object) -> list[Object]:
        """The load balancers that want a port of it too."""
        ports = wanted_ports(service)
        found = {meta.key(one): one for port in ports for one in self._services.indexed(PORT_OF_BALANCERS, port)}
        found.pop(meta.key(service), None)
        return list(found.values())

    def _local_nodes(self, key: str) -> set[str]:
        found = set()
        for one in self._slices.indexed(ALL_SLICES, key):
            for endpoint in one.get("endpoints") or ():
                if (endpoint.get("conditions") or {}).get("ready", True) and endpoint.get("nodeName"):
                    found.add(endpoint["nodeName"])
        return found


def _ports(service: Object) -> list[str]:
    return wanted_ports(service) if is_ours(service) else []


def _claims(service: Object | None) -> tuple[list[str], list[str]]:
    """What concerns other load balancers: its ports, and where it has them."""
    return ([], []) if service is None else (_ports(service), held_addresses(service))


def _service_of(one: Object) -> list[str]:
    name = (one["metadata"].get("labels") or {}).get(SERVICE_NAME)
    return [f"{meta.namespace(one)}/{name}"] if name else []


def _counts(node: Object | None) -> tuple[object, ...]:
    if node is None:
        return ()
    excluded = EXCLUDED in (node["metadata"].get("labels") or {})
    return node_addresses(node), readiness(node), excluded, meta.deleting(node)
