"""Counts what quotas count. One key: a ResourceQuota."""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.discovery import Resources, collection, deletable
from corral.cluster.controllers.resourcequota.plan import Kind, kinds_of, plan_status
from corral.cluster.controllers.resources import QUOTAS
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.quota.usage import usage
from corral.model.kubernetes.resources import Resource
from corral.model.kubernetes.schema import builtin

BY_NAMESPACE: Final = "namespace"
GATHER_SECONDS: Final = 0.05  # in which many changes are one
RECOUNT_SECONDS: Final = 300.0  # for kinds that are only listed, and pods whose grace is over
_BUILTIN: Final = frozenset((one.group, one.plural) for one in builtin().resources)


def _namespaces(obj: Object) -> list[str]:
    return [meta.namespace(obj)]


class ResourceQuotaController(Controller):
    """A kind is watched from the first quota on that counts it; custom ones are listed with each count."""

    name = "resourcequota-controller"

    def __init__(self, shared: Shared, resources: Resources) -> None:
        self._shared, self._client, self._resources = shared, shared.client, resources
        self._quotas = shared.informers.of(QUOTAS)
        super().__init__([self._quotas])
        self._counted: dict[Kind, Informer] = {}
        self._quotas.add_index(BY_NAMESPACE, _namespaces)
        self._quotas.on_change(self._quota_changed)

    def _quota_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))

    async def reconcile(self, key: str) -> float | None:
        quota = self._quotas.get(key)
        if quota is None or meta.deleting(quota):
            return None
        found = {kind: await self._objects(kind, meta.namespace(quota)) for kind in kinds_of(quota)}
        changed = plan_status(quota, found, self._shared.now())
        if changed is not None:
            await self._quotas.seen(await self._client.update(QUOTAS, changed, subresource="status"))
        return RECOUNT_SECONDS

    async def _objects(self, kind: Kind, namespace: str) -> list[Object]:
        """Of a kind that is not served there are none."""
        informer = self._counted.get(kind)
        if informer is None:
            resource = next((one for one in deletable(self._resources()) if (one.group, one.plural) == kind), None)
            if resource is None:
                return []
            if kind not in _BUILTIN:
                return (await self._client.list(collection(resource), namespace)).items
            informer = self._count(kind, resource)
        await informer.synced.wait()
        return informer.indexed(BY_NAMESPACE, namespace)

    def _count(self, kind: Kind, resource: Resource) -> Informer:
        informer = self._counted[kind] = self._shared.informers.of(collection(resource))
        informer.add_index(BY_NAMESPACE, _namespaces)
        informer.on_change(lambda old, new: self._object_changed(kind, old, new))
        return informer

    def _object_changed(self, kind: Kind, old: Object | None, new: Object | None) -> None:
        quotas = self._quotas.indexed(BY_NAMESPACE, meta.namespace(new or old or {}))
        now = self._shared.now()
        if not quotas or (old is not None and new is not None and usage(*kind, old, now) == usage(*kind, new, now)):
            return
        for quota in quotas:
            if kind in kinds_of(quota):
                self.queue.add_after(meta.key(quota), GATHER_SECONDS)
