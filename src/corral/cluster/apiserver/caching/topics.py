"""Watches that can only be about few objects (a node's pods, one ConfigMap) are found by what these have in common.

So a change costs by the watches that it may concern, and not by all there are: a kubelet each would make the cost of a
fleet grow with its square.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final
from weakref import WeakSet

from corral.cluster.apiserver.caching.event import Event, portion
from corral.cluster.apiserver.caching.selection import Aspect, Topic

MOST_PENDING: Final = 4096  # changes that one watch may be behind
MOST_BYTES: Final = 16 << 20


class Inbox:
    """What has happened to one watch's topic and was not taken yet. Lives as long as its watch.

    `lost`: the revision of the last change that was lost, 0 for none.
    """

    def __init__(self, events: Iterable[Event]) -> None:
        self._events, self.lost = deque(events), 0
        self._size = sum(event.size for event in self._events)
        self.waiter: asyncio.Future[None] | None = None

    def put(self, event: Event) -> asyncio.Future[None] | None:
        """Who is to be woken, if somebody waits. Who does not take for long loses the oldest."""
        self._events.append(event)
        self._size += event.size
        while len(self._events) > MOST_PENDING or (self._size > MOST_BYTES and len(self._events) > 8):
            gone = self._events.popleft()
            self._size -= gone.size
            self.lost = gone.revision
        return self.waiter

    @property
    def pending(self) -> bool:
        return bool(self._events)

    def take(self) -> tuple[int, list[Event]]:
        """(what tells these events from others of the same selection, the events): they are gone from here."""
        found = portion(self._events)
        for event in found:
            self._events.popleft()
            self._size -= event.size
        return (found[0].revision if found else 0), found

    def wait(self) -> asyncio.Future[None]:
        self.waiter = asyncio.get_running_loop().create_future()
        return self.waiter


class Topics:
    """Who watches what.

    >>> from corral.cluster.apiserver.caching.item import Item
    >>> web, topics = Item("shop/web", 3, b'{"kind":"Pod","apiVersion":"v1","metadata":{}}'), Topics()
    >>> mine, other = (topics.open(Topic(Aspect("metadata.name"), name), []) for name in ("web", "db"))
    >>> topics.deliver(Event(3, None, web)), mine.pending, other.pending
    ([], True, False)
    """

    def __init__(self) -> None:
        self._boxes: dict[Aspect, dict[str, WeakSet[Inbox]]] = {}

    def open(self, topic: Topic, events: Iterable[Event]) -> Inbox:
        """An inbox, with those of some earlier events that are about its topic."""
        made = Inbox([one for one in events if topic.value in values(one, topic.aspect)])
        self._boxes.setdefault(topic.aspect, {}).setdefault(topic.value, WeakSet()).add(made)
        return made

    def deliver(self, event: Event) -> list[asyncio.Future[None]]:
        """Whom it concerns: those of them who wait."""
        waiting = []
        for aspect, boxes in self._boxes.items():
            for value in values(event, aspect):
                found = boxes.get(value)
                if found is None:
                    continue
                for box in found:
                    waiter = box.put(event)
                    if waiter is not None:
                        waiting.append(waiter)
                if not found:
                    del boxes[value]
        return waiting

    def all(self) -> Iterator[Inbox]:
        for boxes in list(self._boxes.values()):
            for found in list(boxes.values()):
                yield from list(found)


def values(event: Event, aspect: Aspect) -> set[str]:
    """Pure: what an object was, and is, under an aspect: a pod that gets its node is news for two."""
    return {aspect.of(item) for item in (event.old, event.new) if item is not None}
