"""Keeps Service `kubernetes` and says where the server listens for pods. One key for each of three objects.

Follows k8s.io/kubernetes/pkg/controlplane/controller/kubernetesendpoints, for one server.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import SERVICES
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.namespaces import create_in
from corral.cluster.controllers.resources import ENDPOINTS, SLICES
from corral.cluster.controllers.shared import Shared

NAME: Final = "kubernetes"
NAMESPACE: Final = "default"
SKIP_MIRROR: Final = "endpointslice.kubernetes.io/skip-mirror"  # the slice is ours already
SERVICE_NAME: Final = "kubernetes.io/service-name"


def plan_slice(address: str, port: int) -> Object:
    """Pure: the EndpointSlice.

    >>> made = plan_slice("10.244.1.1", 6443)
    >>> made["endpoints"][0]["addresses"], made["ports"][0]["port"], made["addressType"]
    (['10.244.1.1'], 6443, 'IPv4')
    """
    return {
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {SERVICE_NAME: NAME}},
        "addressType": "IPv6" if ":" in address else "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


def plan_endpoints(address: str, port: int) -> Object:
    """Pure: the same as Endpoints, for old clients."""
    return {
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {SKIP_MIRROR: "true"}},
        "subsets": [{"addresses": [{"ip": address}], "ports": [{"name": "https", "port": port, "protocol": "TCP"}]}],
    }


def plan_mended(current: Object, wanted: Object) -> Object | None:
    """Pure: the object with what is wanted; None when it has that. Labels of others stay.

    >>> wanted = {"metadata": {"name": "k", "labels": {"a": "1"}}, "ports": [1]}
    >>> current = {"metadata": {"name": "k", "labels": {"b": "2"}, "uid": "u"}, "ports": [2]}
    >>> plan_mended(current, wanted)
    {'metadata': {'name': 'k', 'labels': {'b': '2', 'a': '1'}, 'uid': 'u'}, 'ports': [1]}
    >>> plan_mended(plan_mended(current, wanted), wanted) is None
    True
    """
    labels = {**(current["metadata"].get("labels") or {}), **wanted["metadata"].get("labels", {})}
    fields = {name: value for name, value in wanted.items() if name != "metadata"}
    mended = {**current, **fields, "metadata": {**current["metadata"], "labels": labels}}
    return None if mended == current else mended


class KubernetesService(Controller):
    """`service` is made again when it is deleted; the other two are kept as they should be."""

    name = "kubernetes-service-controller"

    def __init__(self, shared: Shared, service: Object, address: str, port: int) -> None:
        self._client = shared.client
        self._wanted: dict[str, tuple[Collection, Object]] = {
            "service": (SERVICES, service),
            "slice": (SLICES, plan_slice(address, port)),
            "endpoints": (ENDPOINTS, plan_endpoints(address, port)),
        }
        self._informers = {key: shared.informers.of(of) for key, (of, _) in self._wanted.items()}
        super().__init__(list(self._informers.values()))
        for key, informer in self._informers.items():
            self.queue.add(key)
            informer.on_change(partial(self._changed, key))

    def _changed(self, key: str, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        if meta.key(one) == f"{NAMESPACE}/{NAME}":
            self.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        of, wanted = self._wanted[key]
        current = self._informers[key].get(f"{NAMESPACE}/{NAME}")
        if current is None:
            made = await create_in(self._client, of, wanted)
        elif key == "service" or (mended := plan_mended(current, wanted)) is None:
            return None
        else:
            made = await self._client.update(of, mended)
        if made is not None:
            await self._informers[key].seen(made)
        return None
