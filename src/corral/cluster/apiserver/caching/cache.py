"""All objects of one resource, in the order of their keys, and its latest changes."""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import NamedTuple

from corral.cluster.apiserver.caching.item import Item, Object
from corral.cluster.apiserver.caching.log import Event, EventLog
from corral.cluster.apiserver.caching.selection import Selection

log = logging.getLogger("corral.apiserver")

Changed = Callable[[Object | None, Object | None], None]


class Part(NamedTuple):
    """`more`: the key of the last item when others follow; `remaining`: how many, None when that is not known."""

    items: list[Item]
    more: str
    remaining: int | None


class Cache:
    """Keys are `namespace/name`. `modified`: the revision of the last change here.

    >>> cache = Cache(3)
    >>> cache.put(Item("shop/web", 3, b'{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web"}}'))
    >>> [item.key for item in cache.list(Selection("shop")).items], cache.list(Selection("else")).items
    (['shop/web'], [])
    """

    def __init__(self, revision: int) -> None:
        self.items: dict[str, Item] = {}
        self.keys: list[str] = []
        self.log = EventLog(revision)
        self.modified = 0
        self.bytes = 0
        self.subscribers: list[Changed] = []

    def put(self, item: Item) -> None:
        old = self.items.get(item.key)
        if old is None:
            if self.keys and item.key < self.keys[-1]:
                insort(self.keys, item.key)
            else:
                self.keys.append(item.key)
        else:
            self.bytes -= len(old.body)
        self.items[item.key] = item
        self.bytes += len(item.body)
        self.modified = max(self.modified, item.revision)

    def drop(self, key: str) -> None:
        old = self.items.pop(key, None)
        if old is not None:
            self.bytes -= len(old.body)
            del self.keys[bisect_left(self.keys, key)]

    def apply(self, event: Event, key: str) -> None:
        """Takes a change in and tells who subscribed; the log's watchers are told by `log.announce`."""
        if event.new is not None:
            self.put(event.new)
        else:
            self.drop(key)
        self.modified = event.revision
        self.log.append(event)
        if self.subscribers:
            old, new = event.old.view() if event.old else None, event.new.view() if event.new else None
            for changed in self.subscribers:
                try:
                    changed(old, new)
                except Exception:  # who cannot follow must not keep all others from following
                    log.exception("a subscriber failed at %s", key)

    def walk(self, selection: Selection, after: str = "") -> Iterator[Item]:
        """Those selected, from the first key that is not below `after`."""
        if selection.namespace and selection.name:
            item = self.items.get(f"{selection.namespace}/{selection.name}")
            if item is not None and item.key >= after and selection.has(item):
                yield item
            return
        first = f"{selection.namespace}/" if selection.namespace else ""
        begin = bisect_left(self.keys, max(first, after))
        end = bisect_left(self.keys, f"{selection.namespace}0") if first else len(self.keys)
        for key in self.keys[begin:end]:
            item = self.items[key]
            if selection.everything or selection.has(item):
                yield item

    def list(self, selection: Selection, limit: int = 0, after: str = "") -> Part:
        if not limit:
            return Part(list(self.walk(selection, after)), "", None)
        found: list[Item] = []
        for item in self.walk(selection, after):
            if len(found) == limit:
                return Part(found, found[-1].key, self._remaining(selection, found[-1].key))
            found.append(item)
        return Part(found, "", None)

    def _remaining(self, selection: Selection, last: str) -> int | None:
        if not selection.everything:
            return None
        end = bisect_left(self.keys, f"{selection.namespace}0") if selection.namespace else len(self.keys)
        return end - bisect_left(self.keys, last) - 1
