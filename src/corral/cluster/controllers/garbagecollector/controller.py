"""Collects what nobody owns any more. One key: an object's uid; or RESOURCES, when kinds come and go."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.discovery import Resources, collection, deletable
from corral.cluster.controllers.garbagecollector.decide import DELETE, KEEP, plan_collection
from corral.cluster.controllers.garbagecollector.graph import FOREGROUND, ORPHAN, Graph, Node, owners_of
from corral.cluster.controllers.garbagecollector.live import Live, UnknownKind
from corral.cluster.controllers.shared import Shared
from corral.kit.tasks import Tasks
from corral.model.kubernetes.resources import Resource
from corral.model.kubernetes.schema import builtin

log = logging.getLogger("corral.controllers")

RESOURCES: Final = "resources"
DISCOVERY_SECONDS: Final = 30.0
UNSEEN_SECONDS: Final = 5.0  # until an owner that is there, but in no informer yet, is looked for again
DEFINITIONS: Final = Collection("apiextensions.k8s.io", "v1", "customresourcedefinitions")
_BUILTIN: Final = frozenset((one.group, one.plural) for one in builtin().resources)


class GarbageCollector(Controller):
    """Background deletion, foreground deletion with blockOwnerDeletion, and orphans.

    The graph says who may be without an owner; before anything is deleted, the server is asked about each owner.
    """

    name = "garbage-collector-controller"
    workers = 20

    def __init__(self, shared: Shared, resources: Resources) -> None:
        self._shared, self._resources = shared, resources
        self._events = shared.events.recorder(self.name)
        self._graph, self._live = Graph(), Live(shared.client, resources)
        self._informers: dict[Collection, Informer] = {}
        self._custom: dict[Collection, asyncio.Task[None]] = {}
        self._tasks = Tasks()
        needs = [self._follow(one) for one in deletable(resources()) if (one.group, one.plural) in _BUILTIN]
        super().__init__([one for one in needs if one is not None])
        shared.informers.of(DEFINITIONS).on_change(lambda old, new: self.queue.add(RESOURCES))
        self.queue.add(RESOURCES)

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self._tasks.close()

    # Which objects there are

    def _follow(self, resource: Resource) -> Informer | None:
        """From now on the graph knows of this resource's objects. Events own nothing and are owned by nobody."""
        of = collection(resource)
        if of in self._informers or resource.plural == "events":
            return None
        if (of.group, of.plural) in _BUILTIN:
            informer = self._shared.informers.of(of)
        else:
            informer = Informer(self._shared.client, of)
            self._custom[of] = self._tasks.start(f"informer-{of.plural}", informer.run())
        self._informers[of] = informer
        kind = resource.kind
        informer.on_change(lambda old, new: self._changed(of, kind, old, new))
        return informer

    def _changed(self, of: Collection, kind: str, old: Object | None, new: Object | None) -> None:
        look: set[str] = set()
        if old is not None and (new is None or meta.uid(new) != meta.uid(old)):
            look |= self._graph.remove(meta.uid(old))
        if new is not None:
            look |= self._graph.put(of, kind, new)
        for uid in look:
            self.queue.add(uid)

    async def _discover(self) -> float:
        """Kinds of other servers come without an event, so the list is read from time to time, too."""
        self._live.learn()
        found = {collection(one): one for one in deletable(self._resources())}
        for resource in found.values():
            self._follow(resource)
        for of in [of for of in self._custom if of not in found]:
            self._custom.pop(of).cancel()
            del self._informers[of]
            for node in [node for node in self._graph.nodes() if node.of == of]:
                for uid in self._graph.remove(node.uid):
                    self.queue.add(uid)
        return DISCOVERY_SECONDS

    # What becomes of one

    async def reconcile(self, key: str) -> float | None:
        if key == RESOURCES:
            return await self._discover()
        node = self._graph.get(key)
        if node is None:
            return None
        if node.orphan:
            await self._orphan(node)
        elif node.foreground:
            await self._wait(node)
        elif not node.deleting and self._graph.is_suspicious(node):
            return await self._judge(node)
        return None

    async def _orphan(self, node: Node) -> None:
        await asyncio.gather(*(self._live.release(one, node.uid) for one in self._graph.dependents(node.uid)))
        await self._live.remove_finalizer(node, ORPHAN)

    async def _wait(self, node: Node) -> None:
        """It is let go when nothing blocks it any more; until then, what blocks it is looked at."""
        blocking = list(self._graph.blocking(node.uid))
        if not blocking:
            await self._live.remove_finalizer(node, FOREGROUND)
        for one in blocking:
            if not one.foreground:
                self.queue.add(one.uid)

    async def _judge(self, node: Node) -> float | None:
        latest = await self._live.latest(node)
        if latest is None or meta.deleting(latest):
            return None
        try:
            states = [await self._live.state(node, owner) for owner in owners_of(latest)]
        except UnknownKind as error:
            log.warning("%s: %s/%s has an owner of an unknown kind: %s", self.name, node.namespace, node.name, error)
            return DISCOVERY_SECONDS
        dependents = self._graph.dependents(node.uid)
        circle = any(one.foreground for one in dependents)
        verdict = plan_collection(latest, states, has_dependents=bool(dependents), in_circle=circle)
        self._tell(node, latest)
        if verdict.action != KEEP and verdict.owners:
            latest = await self._live.set_owners(node, latest, verdict.owners)
        if verdict.action == DELETE:
            await self._live.delete(node, latest, verdict.policy)
            return None
        return UNSEEN_SECONDS if any(one.uid not in self._graph for one in owners_of(latest)) else None

    def _tell(self, node: Node, latest: Object) -> None:
        for owner in owners_of(latest):
            found = self._graph.get(owner.uid)
            if found is not None and found.namespace not in ("", node.namespace):
                shown = f"[{owner.api_version}/{owner.kind}, namespace: {node.namespace}, name: {owner.name}, "
                text = f'ownerRef {shown}uid: {owner.uid}] does not exist in namespace "{node.namespace}"'
                self._events.warning(latest, "OwnerRefInvalidNamespace", text)
