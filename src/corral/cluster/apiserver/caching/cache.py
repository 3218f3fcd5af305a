"""All objects of one resource, in the order of their keys, and its latest changes."""

from __future__ import annotations

import logging
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from corral.cluster.apiserver.caching.event import Event
from corral.cluster.apiserver.caching.item import Item, Object
from corral.cluster.apiserver.caching.log import EventLog
from corral.cluster.apiserver.caching.selection import Aspect, Selection

log = logging.getLogger("corral.apiserver")

INDEXED: Final = frozenset(("spec.nodeName",))  # fields whose values are remembered once somebody selects by one

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
        self._indexes: dict[Aspect, dict[str, dict[str, Item]]] = {}  # aspect -> value -> key -> item

    def put(self, item: Item) -> None:
        old = self.items.get(item.key)
        if old is None:
            if self.keys and item.key < self.keys[-1]:
                insort(self.keys, item.key)
            else:
                self.keys.append(item.key)
        else:
            self.bytes -= len(old.body)
            self._unindex(old)
        self.items[item.key] = item
        for aspect, index in self._indexes.items():
            index.setdefault(aspect.of(item), {})[item.key] = item
        self.bytes += len(item.body)
        self.modified = max(self.modified, item.revision)

    def drop(self, key: str) -> None:
        old = self.items.pop(key, None)
        if old is not None:
            self.bytes -= len(old.body)
            del self.keys[bisect_left(self.keys, key)]
            self._unindex(old)

    def _unindex(self, old: Item) -> None:
        for aspect, index in self._indexes.items():
            value = aspect.of(old)
            del index[value][old.key]
            if not index[value]:
                del index[value]

    def _index(self, aspect: Aspect) -> dict[str, dict[str, Item]]:
        found = self._indexes.get(aspect)
        if found is None:
            found = self._indexes[aspect] = {}
            for key, item in self.items.items():
                found.setdefault(aspect.of(item), {})[key] = item
        return found

    def apply(self, event: Event, key: str) -> None:
        """Takes a change in and tells who subscribed; the log's watchers are told by `log.announce`."""
        if self.subscribers:  # first of all: what is looked up in the object below needs no decoding of its own then
            old, new = event.old.view() if event.old else None, event.new.view() if event.new else None
        if event.new is not None:
            self.put(event.new)
        else:
            self.drop(key)
        self.modified = event.revision
        self.log.append(event)
        for changed in self.subscribers:
            try:
                changed(old, new)
            except Exception:  # who cannot follow must not keep all others from following
                log.exception("a subscriber failed at %s", key)
        if event.old is not None:
            event.old.forget_view()

    def walk(self, selection: Selection, after: str = "") -> Iterator[Item]:
        """Those selected, from the first key that is not below `after`."""
        if selection.namespace and selection.name:
            item = self.items.get(f"{selection.namespace}/{selection.name}")
            if item is not None and item.key >= after and selection.has(item):
                yield item
            return
        topic = selection.topic
        if topic is not None and topic.aspect.path in INDEXED:
            found = self._index(topic.aspect).get(topic.value, {})
            yield from (found[key] for key in sorted(found) if key >= after and selection.has(found[key]))
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
