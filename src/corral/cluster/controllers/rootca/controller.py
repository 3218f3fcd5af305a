"""Publishes the root certificate as ConfigMap kube-root-ca.crt. One key: a namespace.

Follows k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import NAMESPACES
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.namespaces import create_in, is_active
from corral.cluster.controllers.resources import CONFIG_MAPS
from corral.cluster.controllers.shared import Shared

NAME: Final = "kube-root-ca.crt"
NOTE: Final = "kubernetes.io/description"
DESCRIPTION: Final = (
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes "
    "clusters."
)


def plan_bundle(namespace: str, authority: str, current: Object | None) -> Object | None:
    """Pure: the ConfigMap as it should be; None when it is.

    >>> made = plan_bundle("a", "PEM", None)
    >>> made["data"], plan_bundle("a", "PEM", made), plan_bundle("a", "NEW", made)["data"]
    ({'ca.crt': 'PEM'}, None, {'ca.crt': 'NEW'})
    """
    before = current or {"metadata": {"name": NAME, "namespace": namespace}}
    notes = {**(before["metadata"].get("annotations") or {}), NOTE: DESCRIPTION}
    wanted = {**before, "data": {"ca.crt": authority}, "metadata": {**before["metadata"], "annotations": notes}}
    return None if wanted == current else wanted


class RootCaPublisher(Controller):
    """Whoever changes or deletes it gets it back as it was."""

    name = "root-ca-certificate-publisher-controller"

    def __init__(self, shared: Shared, authority: str) -> None:
        self._client, self._authority = shared.client, authority
        self._namespaces = shared.informers.of(NAMESPACES)
        self._maps = shared.informers.of(CONFIG_MAPS)
        super().__init__([self._namespaces, self._maps])
        self._namespaces.on_change(self._namespace_changed)
        self._maps.on_change(self._map_changed)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.name(new))

    def _map_changed(self, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        if meta.name(one) == NAME:
            self.queue.add(meta.namespace(one))

    async def reconcile(self, key: str) -> float | None:
        if not is_active(self._namespaces.get(key)):
            return None
        current = self._maps.get(f"{key}/{NAME}")
        wanted = plan_bundle(key, self._authority, current)
        if wanted is None:
            return None
        if current is None:
            made = await create_in(self._client, CONFIG_MAPS, wanted)
        else:
            made = await self._client.update(CONFIG_MAPS, wanted)
        if made is not None:
            await self._maps.seen(made)
        return None
