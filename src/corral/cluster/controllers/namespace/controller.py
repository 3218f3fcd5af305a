"""Empties namespaces that are being deleted. One key: a namespace."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import NAMESPACES
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.discovery import Resources, Undiscovered, collection, deletable
from corral.cluster.controllers.namespace.conditions import Remains, plan_conditions
from corral.cluster.controllers.shared import Shared
from corral.kit.tasks import Tasks
from corral.model.kubernetes.resources import Resource
from corral.model.kubernetes.status import StatusError

AT_ONCE: Final = 20  # deletions of one resource under way
FINALIZER: Final = "kubernetes"


class NamespaceController(Controller):
    """Pods go first: what restrains them (network policies, say) stays as long as they run.

    What has finalizers stays for a while: a watch on it, as long as it is there, tells when to look again. A namespace
    stays, too, while some server cannot be asked what resources it has: objects of theirs may be left in it.
    """

    name = "namespace-controller"
    workers = 10

    def __init__(self, shared: Shared, resources: Resources, undiscovered: Undiscovered = tuple) -> None:
        self._client, self._now, self._resources = shared.client, shared.now, resources
        self._undiscovered = undiscovered
        self._namespaces = shared.informers.of(NAMESPACES)
        super().__init__([self._namespaces])
        self._waits: dict[tuple[str, Collection], asyncio.Task[None]] = {}
        self._tasks = Tasks()
        self._namespaces.on_change(self._changed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and meta.deleting(new):
            self.queue.add(meta.name(new))

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self._tasks.close()

    async def reconcile(self, key: str) -> float | None:
        namespace = self._namespaces.get(key)
        if namespace is None or not meta.deleting(namespace):
            return None
        if FINALIZER not in (namespace["spec"].get("finalizers") or ()):
            return None
        remains = await self._empty(key)
        changed = plan_conditions(namespace, remains, to_text(self._now()))
        if changed is not None:
            namespace = await self._client.update(NAMESPACES, changed, subresource="status")
        if remains.nothing:
            others = [one for one in namespace["spec"]["finalizers"] if one != FINALIZER]
            spec = {**namespace["spec"], "finalizers": others}
            await self._client.update(NAMESPACES, {**namespace, "spec": spec}, subresource="finalize")
        elif remains.failures or remains.undiscovered:
            return 1.0
        return None

    async def _empty(self, namespace: str) -> Remains:
        remains = Remains(undiscovered=sorted(self._undiscovered()))
        found = [one for one in deletable(self._resources()) if one.namespaced]
        pods = [one for one in found if (one.group, one.plural) == ("", "pods")]
        await self._clear(namespace, pods, remains)
        if not remains.objects and not remains.failures:
            await self._clear(namespace, [one for one in found if one not in pods], remains)
        return remains

    async def _clear(self, namespace: str, resources: Iterable[Resource], remains: Remains) -> None:
        for resource in resources:
            of = collection(resource)
            try:
                left = await self._delete_all(namespace, of)
            except StatusError as error:
                if error.reason not in ("NotFound", "MethodNotAllowed"):  # not served any more
                    remains.failures.append(str(error))
                continue
            remains.add(resource.plural, resource.group, left)

    async def _delete_all(self, namespace: str, of: Collection) -> list[Object]:
        """What is left after all that can go has gone."""
        found = (await self._client.list(of, namespace)).items
        if not found:
            return []
        going = [one for one in found if not meta.deleting(one)]
        for start in range(0, len(going), AT_ONCE):
            await asyncio.gather(*(self._delete(of, one) for one in going[start : start + AT_ONCE]))
        left = await self._client.list(of, namespace)
        if left.items:
            self._wait(namespace, of, left.resource_version)
        return left.items

    async def _delete(self, of: Collection, obj: Object) -> None:
        options = {"propagationPolicy": "Background", "preconditions": {"uid": meta.uid(obj)}}
        try:
            await self._client.delete(of, meta.name(obj), meta.namespace(obj), options=options)
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):  # gone, or already another one
                raise

    def _wait(self, namespace: str, of: Collection, version: str) -> None:
        """Looks at the namespace again when something of this collection has gone."""
        key = namespace, of
        old = self._waits.pop(key, None)
        if old is not None:
            old.cancel()
        task = self._tasks.start(f"namespace-{namespace}-{of.plural}", self._watch(namespace, of, version))
        self._waits[key] = task
        task.add_done_callback(lambda done: self._waits.pop(key) if self._waits.get(key) is done else None)

    async def _watch(self, namespace: str, of: Collection, version: str) -> None:
        try:
            async for event in self._client.watch(of, namespace, resource_version=version):
                if event.type == "DELETED":
                    break
        except (StatusError, OSError):
            self.queue.add_after(namespace, 1.0)  # the server has ended the watch: a new one begins with a look
            return
        self.queue.add(namespace)
