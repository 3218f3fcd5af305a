"""Informer: a copy of one collection in memory, kept up by a watch, that tells who asked of every change.

Follows client-go's shared informers, with one thing more: `seen` waits until the copy knows of a write, so that a
controller which has just created a pod does not decide by a picture without it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, ValuesView
from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.protocol import Client, Collection, Object
from corral.kit.backoff import exponential
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.cluster")

PAUSE = (
    0.01  # seconds between a watch that ended in good order and the next: a server that ends all at once is not stormed
)

Changed = Callable[[Object | None, Object | None], None]
Keys = Callable[[Object], Iterable[str]]


class Informer:
    """`run` keeps it up until it is cancelled. Objects in here are shared: copy before changing."""

    def __init__(
        self, client: Client, of: Collection, namespace: str = "", *, label_selector: str = "", field_selector: str = ""
    ) -> None:
        self.of = of
        self.synced = asyncio.Event()
        self._client = client
        self._where: dict[str, Any] = {"label_selector": label_selector, "field_selector": field_selector}
        self._namespace = namespace
        self._objects: dict[str, Object] = {}
        self._handlers: list[Changed] = []
        self._indexes: dict[str, tuple[Keys, dict[str, dict[str, Object]]]] = {}
        self._version = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    # ------------------------------------------------------------------------------------------------- reading

    def get(self, key: str) -> Object | None:
        """By `namespace/name`, or `name` for what has no namespace."""
        return self._objects.get(key)

    def all(self) -> ValuesView[Object]:
        return self._objects.values()

    def __len__(self) -> int:
        return len(self._objects)

    def add_index(self, name: str, keys: Keys) -> None:
        """From now on `indexed(name, key)` gives the objects for which `keys(object)` has the key. The same index of
        several controllers is one."""
        if name in self._indexes and self._indexes[name][0] is keys:
            return
        found: dict[str, dict[str, Object]] = {}
        self._indexes[name] = (keys, found)
        for key, obj in self._objects.items():
            for one in keys(obj):
                found.setdefault(one, {})[key] = obj

    def indexed(self, name: str, key: str) -> list[Object]:
        return list(self._indexes[name][1].get(key, {}).values())

    def on_change(self, changed: Changed) -> None:
        """Calls `changed(old, new)` at once for each object, then for each change; None: was or is not there."""
        self._handlers.append(changed)
        for obj in list(self._objects.values()):
            changed(None, obj)

    async def seen(self, written: Object) -> None:
        """Returns when the copy is at least as new as what a write returned."""
        wanted = meta.version(written)
        if self._version >= wanted:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append((wanted, waiter))
        await waiter

    # ------------------------------------------------------------------------------------------------- keeping up

    async def run(self) -> None:
        failures = 0
        while True:
            try:
                await self._list()
                failures = 0
                await self._watch()
            except StatusError as error:
                if error.code == 410:  # too old: what is there now is all there is to know
                    continue
                log.warning("watch %s: %s", "/".join(self.of), error)
            except OSError as error:
                log.warning("watch %s: %s", "/".join(self.of), error)
            await asyncio.sleep(exponential(failures, 10, 10_000) / 1000)
            failures += 1

    async def _list(self) -> None:
        listing = await self._client.list(self.of, self._namespace, **self._where)
        found = {meta.key(obj): obj for obj in listing.items}
        for key in [key for key in self._objects if key not in found]:
            self._change(key, None)
        for key, obj in found.items():
            known = self._objects.get(key)
            if known is None or meta.version(known) != meta.version(obj) or meta.uid(known) != meta.uid(obj):
                self._change(key, obj)
        self._advance(int(listing.resource_version or 0))
        self.synced.set()

    async def _watch(self) -> None:
        """Until it fails. A watch that the server ended in good order goes on where it was."""
        while True:
            events = self._client.watch(self.of, self._namespace, resource_version=str(self._version), **self._where)
            async for event in events:
                if event.type == "DELETED":
                    self._change(meta.key(event.object), None, event.object)
                elif event.type != "BOOKMARK":
                    self._change(meta.key(event.object), event.object)
                self._advance(meta.version(event.object))
            await asyncio.sleep(PAUSE)

    def _change(self, key: str, new: Object | None, last: Object | None = None) -> None:
        """`last`: of a deleted object its final state, which tells more than the one before it."""
        old = self._objects.pop(key, None)
        if new is not None:
            self._objects[key] = new
        for keys, found in self._indexes.values():
            _reindex(found, key, keys(old) if old is not None else (), keys(new) if new is not None else (), new)
        if old is None and new is None:
            return
        for changed in self._handlers:
            try:
                changed(old if new is not None else (last or old), new)
            except Exception:  # one that cannot make sense of an object keeps nothing from the others
                log.exception("%s %s: a change was not understood", "/".join(self.of), key)

    def _advance(self, version: int) -> None:
        if version <= self._version:
            return
        self._version = version
        still = []
        for wanted, waiter in self._waiters:
            if wanted > version:
                still.append((wanted, waiter))
            elif not waiter.done():
                waiter.set_result(None)
        self._waiters = still


def _reindex(
    found: dict[str, dict[str, Object]], key: str, before: Iterable[str], after: Iterable[str], new: Object | None
) -> None:
    for one in before:
        rest = found.get(one)
        if rest is not None:
            rest.pop(key, None)
            if not rest:
                del found[one]
    if new is not None:
        for one in after:
            found.setdefault(one, {})[key] = new


def labels_match(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    """Pure: the plain selector of a Service or ReplicationController; an empty one selects nothing.

    >>> labels_match({"app": "web", "tier": "1"}, {"app": "web"}), labels_match({"app": "web"}, {})
    (True, False)
    """
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())
