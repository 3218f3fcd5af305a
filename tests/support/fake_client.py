"""A server of nothing but lists and watches, for components that only read: what a test puts there, they see."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.protocol import Client, Collection, Event, Listing, Object


class FakeClient:
    """`put` and `remove` are the test's; all others are the component's. No selectors."""

    def __init__(self) -> None:
        self.version = 1
        self.written: dict[Collection, int] = {}  # the version of the last change to each collection
        self._objects: dict[Collection, dict[str, Object]] = {}
        self._history: dict[Collection, list[tuple[int, Event]]] = {}
        self._more = asyncio.Event()

    @property
    def client(self) -> Client:
        return self  # type: ignore[return-value]

    def put(self, of: Collection, obj: Object) -> Object:
        """Creates or replaces; the object as it is now."""
        self.version += 1
        obj = copy.deepcopy(obj)
        obj["metadata"] |= {"resourceVersion": str(self.version)}
        known = self._objects.setdefault(of, {})
        kind = "MODIFIED" if meta.key(obj) in known else "ADDED"
        known[meta.key(obj)] = obj
        self._tell(of, Event(kind, obj))
        return obj

    def remove(self, of: Collection, key: str) -> None:
        self.version += 1
        obj = self._objects[of].pop(key)
        self._tell(of, Event("DELETED", {**obj, "metadata": {**obj["metadata"], "resourceVersion": str(self.version)}}))

    def _tell(self, of: Collection, event: Event) -> None:
        self.written[of] = self.version
        self._history.setdefault(of, []).append((self.version, event))
        self._more.set()
        self._more = asyncio.Event()

    async def list(self, of: Collection, namespace: str = "", **_: Any) -> Listing:
        return Listing(list(self._objects.get(of, {}).values()), str(self.version))

    async def watch(
        self, of: Collection, namespace: str = "", *, resource_version: str, **_: Any
    ) -> AsyncIterator[Event]:
        told = 0
        while True:
            more, history = self._more, self._history.get(of, [])
            for version, event in history[told:]:
                if version > int(resource_version):
                    yield event
            told = len(history)
            if self._more is more:
                await more.wait()
