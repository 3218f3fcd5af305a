"""Keeps Service `kubernetes` and says where the servers listen for pods. One key for each of three kinds.

Follows k8s.io/kubernetes/pkg/controlplane/controller/kubernetesendpoints. Of several servers each writes the places of
all, so none undoes what another has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import SERVICES
from corral.cluster.client.members import Place, address_type, plan_groups, plan_slice_name
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.namespaces import create_in
from corral.cluster.controllers.resources import ENDPOINTS, SLICES
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.labels import SERVICE_NAME, SLICE_MANAGED_BY

NAME: Final = "kubernetes"
NAMESPACE: Final = "default"
SKIP_MIRROR: Final = "endpointslice.kubernetes.io/skip-mirror"  # the slice is ours already
MANAGER: Final = "kube-apiserver"


def plan_slices(places: Iterable[Place]) -> list[Object]:
    """Pure: the EndpointSlices: one has Service's name, another port or family is another slice.

    >>> first, second = plan_slices([Place("10.244.1.1", 6443), Place("10.244.2.1", 6443), Place("10.244.3.1", 7443)])
    >>> [end["addresses"] for end in first["endpoints"]], first["ports"][0]["port"], first["addressType"]
    ([['10.244.1.1'], ['10.244.2.1']], 6443, 'IPv4')
    >>> first["metadata"]["name"], second["metadata"]["name"]
    ('kubernetes', 'kubernetes-7443')
    """
    return [
        {
            "metadata": {
                "name": plan_slice_name(NAME, number, port, address_type(addresses)),
                "namespace": NAMESPACE,
                "labels": {SERVICE_NAME: NAME, SLICE_MANAGED_BY: MANAGER},
            },
            "addressType": address_type(addresses),
            "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in addresses],
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        }
        for number, (port, addresses) in enumerate(plan_groups(places))
    ]


def plan_endpoints(places: Iterable[Place]) -> Object:
    """Pure: the same as Endpoints, for old clients."""
    return {
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": {SKIP_MIRROR: "true"}},
        "subsets": [
            {
                "addresses": [{"ip": one} for one in addresses],
                "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
            }
            for port, addresses in plan_groups(places)
        ],
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
    """`service` is made again when it is deleted; the others are kept as they should be. `places`: where the servers
    listen for pods; `changed` says that these are others now."""

    name = "kubernetes-service-controller"

    def __init__(self, shared: Shared, service: Object, places: Callable[[], Sequence[Place]]) -> None:
        self._client, self._service, self._places = shared.client, service, places
        self._informers = {of: shared.informers.of(of) for of in (SERVICES, SLICES, ENDPOINTS)}
        super().__init__(list(self._informers.values()))
        self._keys = {SERVICES: "service", SLICES: "slices", ENDPOINTS: "endpoints"}
        for of, informer in self._informers.items():
            self.queue.add(self._keys[of])
            informer.on_change(partial(self._changed, of))

    def changed(self) -> None:
        self.queue.add("slices")
        self.queue.add("endpoints")

    def _changed(self, of: Collection, old: Object | None, new: Object | None) -> None:
        if self._is_ours(new or old or {}):
            self.queue.add(self._keys[of])

    def _is_ours(self, one: Object) -> bool:
        labels = one["metadata"].get("labels") or {}
        ours = meta.name(one) == NAME or labels.get(SLICE_MANAGED_BY) == MANAGER
        return ours and meta.namespace(one) == NAMESPACE

    async def reconcile(self, key: str) -> float | None:
        if key == "service":
            await self._keep(SERVICES, self._service, mends=False)
        elif key == "endpoints":
            await self._keep(ENDPOINTS, plan_endpoints(self._places()))
        else:
            wanted = plan_slices(self._places())
            for one in wanted:
                await self._keep(SLICES, one)
            names = {meta.name(one) for one in wanted}
            for one in [one for one in self._informers[SLICES].all() if self._is_ours(one)]:
                if meta.name(one) not in names:
                    await self._client.delete(SLICES, meta.name(one), NAMESPACE)
        return None

    async def _keep(self, of: Collection, wanted: Object, *, mends: bool = True) -> None:
        current = self._informers[of].get(f"{NAMESPACE}/{meta.name(wanted)}")
        if current is None:
            made = await create_in(self._client, of, wanted)
        elif not mends or (mended := plan_mended(current, wanted)) is None:
            return
        elif current.get("addressType") != wanted.get("addressType"):  # of a slice it may not change
            await self._client.delete(of, meta.name(current), NAMESPACE)
            made = await create_in(self._client, of, wanted)
        else:
            made = await self._client.update(of, mended)
        if made is not None:
            await self._informers[of].seen(made)
