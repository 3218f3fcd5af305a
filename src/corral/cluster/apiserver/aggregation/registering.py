"""Keeps the APIServices of what this server serves itself: `local` decides, this writes."""

from __future__ import annotations

import asyncio
import logging

from corral.cluster.apiserver.aggregation import local
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.registry import Registry
from corral.cluster.client.protocol import Client, Collection
from corral.errors import CorralError
from corral.kit.tasks import Tasks
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.apiserver")
SERVICES = Collection("apiregistration.k8s.io", "v1", "apiservices")
RETRY_SECONDS = 5.0


class Registering:
    """`start` when the server is ready: what is missing is made, then changes of definitions are followed."""

    def __init__(self, caches: Caches, registry: Registry, client: Client) -> None:
        self._caches, self._registry, self._client = caches, registry, client
        self._changed = asyncio.Event()
        self._tasks = Tasks()

    async def start(self) -> None:
        """Returns when all are there. CorralError."""
        self._registry.listeners.append(self._changed.set)
        self._changed.clear()
        await self._once(start=True)
        self._tasks.start("apiservices", self._follow())

    async def close(self) -> None:
        await self._tasks.close()

    async def _follow(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._once(start=False)
            except CorralError as error:
                log.warning("the APIServices of definitions are not written yet: %s", error.message)
                await asyncio.sleep(RETRY_SECONDS)
                self._changed.set()

    async def _once(self, *, start: bool) -> None:
        await self._caches.fresh()
        served = self._registry.all()
        custom = [(one.resource.group, one.resource.version) for one in served if one.custom]
        services = local.wanted([one.resource for one in served if not one.custom], custom)
        known = self._caches.list(SERVICES.group, SERVICES.plural)
        made, gone = local.plan({one["metadata"]["name"]: one for one in known}, services, start=start)
        await asyncio.gather(*(self._make(one) for one in made), *(self._delete(name) for name in gone))

    async def _make(self, service: Object) -> None:
        try:
            await self._client.create(SERVICES, service)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _delete(self, name: str) -> None:
        try:
            await self._client.delete(SERVICES, name)
        except StatusError as error:
            if error.code != 404:
                raise
