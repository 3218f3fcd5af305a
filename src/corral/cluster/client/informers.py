"""Informers: one informer for each collection, shared by all who ask.

informers = Informers(client)
pods = informers.of(PODS)          # the same object for everybody
await informers.run()              # keeps them all up until it is cancelled
"""

from __future__ import annotations

import asyncio

from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client, Collection


class Informers:
    """Informers that are asked for while `run` is at work start at once."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._informers: dict[Collection, Informer] = {}
        self._group: asyncio.TaskGroup | None = None

    def of(self, collection: Collection) -> Informer:
        """The one informer of all objects of the collection, in all namespaces."""
        found = self._informers.get(collection)
        if found is None:
            found = self._informers[collection] = Informer(self._client, collection)
            if self._group is not None:
                self._start(self._group, found)
        return found

    async def synced(self) -> None:
        """Returns when each informer asked for so far has its first picture."""
        for informer in list(self._informers.values()):
            await informer.synced.wait()

    async def run(self) -> None:
        """Until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers.values():
                self._start(group, informer)
            self._group = group
            try:
                await asyncio.Event().wait()
            finally:
                self._group = None

    @staticmethod
    def _start(group: asyncio.TaskGroup, informer: Informer) -> None:
        group.create_task(informer.run(), name=f"informer-{informer.of.plural}")
