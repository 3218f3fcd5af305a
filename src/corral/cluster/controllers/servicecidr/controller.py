"""Says that a ServiceCIDR is ready, and lets it go when no address of it is used. One key: a ServiceCIDR.

Follows k8s.io/kubernetes/pkg/controller/servicecidrs.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import SERVICES
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.conditions import find, put
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.resources import SERVICE_CIDRS
from corral.cluster.controllers.shared import Shared

FINALIZER: Final = "networking.k8s.io/service-cidr-finalizer"
READY: Final = {
    "type": "Ready",
    "status": "True",
    "reason": "",
    "message": "Kubernetes Service CIDR is ready",
}
TERMINATING: Final = {
    "type": "Ready",
    "status": "False",
    "reason": "Terminating",
    "message": "There are still IPAddresses referencing the ServiceCIDR, "
    "please remove them or create a new ServiceCIDR",
}


def is_used(cidr: Object, others: Iterable[Object], services: Iterable[Object]) -> bool:
    """Pure: whether a Service has an address of it that no other ServiceCIDR has too.

    >>> cidr, wide = {"spec": {"cidrs": ["10.96.0.0/24"]}}, {"spec": {"cidrs": ["10.96.0.0/12"]}}
    >>> service = {"spec": {"clusterIPs": ["10.96.0.7"]}}
    >>> is_used(cidr, [], [service]), is_used(cidr, [wide], [service])
    (True, False)
    """
    mine = [ip_network(one) for one in cidr["spec"]["cidrs"]]
    rest = [ip_network(one) for other in others for one in other["spec"]["cidrs"]]
    for service in services:
        for text in service["spec"].get("clusterIPs") or ():
            if text == "None":
                continue
            address = ip_address(text)
            if any(address in one for one in mine) and not any(address in one for one in rest):
                return True
    return False


class ServiceCidrController(Controller):
    name = "service-cidr-controller"

    def __init__(self, shared: Shared) -> None:
        self._client, self._now = shared.client, shared.now
        self._cidrs, self._services = shared.informers.of(SERVICE_CIDRS), shared.informers.of(SERVICES)
        super().__init__([self._cidrs, self._services])
        self._cidrs.on_change(self._cidr_changed)
        self._services.on_change(self._service_changed)

    def _cidr_changed(self, old: Object | None, new: Object | None) -> None:
        """One that comes may set another free."""
        if new is not None:
            self.queue.add(meta.name(new))
        self._look_at_deleted()

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None or (old is not None and old["spec"].get("clusterIPs") != new["spec"].get("clusterIPs")):
            self._look_at_deleted()

    def _look_at_deleted(self) -> None:
        for cidr in self._cidrs.all():
            if meta.deleting(cidr):
                self.queue.add(meta.name(cidr))

    async def reconcile(self, key: str) -> float | None:
        cidr = self._cidrs.get(key)
        if cidr is None:
            return None
        finalizers = list(cidr["metadata"].get("finalizers") or ())
        if not meta.deleting(cidr):
            if FINALIZER not in finalizers:
                cidr = await self._finalizers(cidr, [*finalizers, FINALIZER])
            await self._tell(cidr, READY)
        elif FINALIZER in finalizers:
            others = [one for one in self._cidrs.all() if meta.name(one) != key and not meta.deleting(one)]
            if is_used(cidr, others, self._services.all()):
                await self._tell(cidr, TERMINATING)
            else:
                await self._finalizers(cidr, [one for one in finalizers if one != FINALIZER])
        return None

    async def _finalizers(self, cidr: Object, finalizers: list[str]) -> Object:
        metadata = {"finalizers": finalizers or None, "resourceVersion": cidr["metadata"]["resourceVersion"]}
        return await self._client.patch(SERVICE_CIDRS, meta.name(cidr), patch={"metadata": metadata})

    async def _tell(self, cidr: Object, condition: Object) -> None:
        conditions = (cidr.get("status") or {}).get("conditions")
        found = find(conditions, "Ready")
        if found is not None and found["status"] == condition["status"]:
            return
        changed = put(conditions, condition, to_text(self._now()))
        await self._client.update(SERVICE_CIDRS, {**cidr, "status": {"conditions": changed}}, subresource="status")
