"""The latest changes of one resource: a window that every watcher reads at its own pace."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Final

from corral.cluster.apiserver.caching.event import Event, portion
from corral.cluster.apiserver.caching.topics import Topics

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"
WINDOW: Final = 4096  # changes that are kept; who falls behind further is cut off
WINDOW_BYTES: Final = 64 << 20
CROWD: Final = 50  # watchers from which on changes are told in batches
BATCH_SECONDS: Final = 0.05
TOGETHER: Final = 50  # watchers that are woken before anything else has its turn


class EventLog:
    """Numbered events; `start` is the number of the oldest, `end` that of the next to come.

    `since`: the revision after which nothing is missing. `topics`: the watches that are told of their topic alone.

    >>> from corral.cluster.apiserver.caching.item import Item
    >>> log = EventLog(4)
    >>> log.append(Event(5, None, Item("a/b", 5, b'{"kind":"X","apiVersion":"v1","metadata":{}}')))
    >>> log.position(4), log.position(5), log.position(3)
    (0, 1, None)
    """

    def __init__(self, since: int) -> None:
        self.events: deque[Event] = deque()
        self.since, self.start, self.size = since, 0, 0
        self.batches: dict[str, bytes] = {}  # what watchers made of the events since, by selection, form and range
        self.topics = Topics()
        self._waiters: set[asyncio.Future[None]] = set()
        self._told: list[asyncio.Future[None]] = []  # of topics, who have news
        self._waking: asyncio.TimerHandle | asyncio.Handle | None = None

    @property
    def end(self) -> int:
        return self.start + len(self.events)

    def append(self, event: Event) -> None:
        self.batches.clear()
        self.events.append(event)
        self.size += event.size
        self._told += self.topics.deliver(event)
        while len(self.events) > WINDOW or (self.size > WINDOW_BYTES and len(self.events) > 64):
            gone = self.events.popleft()
            self.size -= gone.size
            self.start += 1
            self.since = gone.revision

    def position(self, revision: int) -> int | None:
        """The number of the first event after a revision; None when some of those are no longer known."""
        if revision < self.since:
            return None
        low, high = 0, len(self.events)
        if high and self.events[-1].revision <= revision:
            return self.end
        while low < high:
            middle = (low + high) // 2
            if self.events[middle].revision <= revision:
                low = middle + 1
            else:
                high = middle
        return self.start + low

    def after(self, position: int) -> list[Event]:
        """The events from a number on, as of now. The number must still be in the window."""
        found = list(islice(reversed(self.events), self.end - position))
        found.reverse()
        return found

    # Waiting

    def wait(self) -> asyncio.Future[None]:
        """Is done when there is something new, or never: who gives up cancels it."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        waiter.add_done_callback(self._waiters.discard)
        return waiter

    def announce(self) -> None:
        """Tells the watchers: at once, or, when they are many, together with what else comes in a moment."""
        count = len(self._waiters) + len(self._told)
        if not count or self._waking is not None:
            return
        loop = asyncio.get_running_loop()
        crowd = count > CROWD
        self._waking = loop.call_later(BATCH_SECONDS, self.wake) if crowd else loop.call_soon(self.wake)

    def wake(self) -> None:
        """All of them, some at a time: between these, whatever else has come is answered."""
        self._waking = None
        told, self._told = self._told, []
        self._wake_some([*self._waiters, *told])

    def wake_all(self) -> None:
        """Also those for whom there is nothing new."""
        self._told += [box.waiter for box in self.topics.all() if box.waiter is not None]
        self.wake()

    def _wake_some(self, waiters: list[asyncio.Future[None]]) -> None:
        for waiter in waiters[:TOGETHER]:
            if not waiter.done():
                waiter.set_result(None)
        if len(waiters) > TOGETHER:
            asyncio.get_running_loop().call_soon(self._wake_some, waiters[TOGETHER:])


class Place:
    """Where one watch is in the log: it is told of every change. Who reads behind the window has lost some.

    >>> from corral.cluster.apiserver.caching.item import Item
    >>> log = EventLog(4)
    >>> place = Place(log, log.end)
    >>> log.append(Event(5, None, Item("a/b", 5, b'{"kind":"X","apiVersion":"v1","metadata":{}}')))
    >>> place.pending, [event.revision for event in place.take()[1]], place.pending
    (True, [5], False)
    """

    def __init__(self, log: EventLog, position: int) -> None:
        self._log, self.position = log, position

    @property
    def pending(self) -> bool:
        return self.position != self._log.end

    @property
    def lost(self) -> int:
        return self._log.since if self.position < self._log.start else 0

    def take(self) -> tuple[int, list[Event]]:
        position, found = self.position, portion(self._log.after(self.position))
        self.position += len(found)
        return position, found

    def wait(self) -> asyncio.Future[None]:
        return self._log.wait()
