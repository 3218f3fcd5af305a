"""One client's watch: what it has not seen yet, in its order, until it has had enough."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Final, NamedTuple

from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.caching.event import PORTION, Event
from corral.cluster.apiserver.caching.item import Item
from corral.cluster.apiserver.caching.log import ADDED, DELETED, MODIFIED, EventLog, Place
from corral.cluster.apiserver.caching.selection import Selection
from corral.cluster.apiserver.caching.topics import Inbox
from corral.model.kubernetes.status import StatusError, expired

BOOKMARK: Final = "BOOKMARK"
BOOKMARK_SECONDS: Final = 60.0
BEFORE_THE_END: Final = 2.0  # a last bookmark comes so long before a watch's time is over
INITIAL_SLICE: Final = 500  # objects that are sent at once in the beginning


class Happened(NamedTuple):
    """What a watcher is told. `item` None: a bookmark at `revision`; `initial_end`: the list is complete."""

    type: str
    item: Item | None
    revision: int
    event: Event | None = None
    initial_end: bool = False


def select(event: Event, selection: Selection) -> Happened | None:
    """Pure: what a change is to somebody who sees only a selection; None: nothing.

    >>> pod = b'{"kind":"Pod","apiVersion":"v1","metadata":{"labels":{"a":"%d"}}}'
    >>> event = Event(2, Item("n/x", 1, pod % 1), Item("n/x", 2, pod % 2))
    >>> ones = Selection(labels=lambda labels: labels["a"] == "1")
    >>> select(event, ones).type, select(event, Selection()).type, select(event, Selection("other"))
    ('DELETED', 'MODIFIED', None)
    """
    before = event.old is not None and selection.has(event.old)
    if event.new is not None and selection.has(event.new):
        return Happened(MODIFIED if before else ADDED, event.new, event.revision, event)
    return Happened(DELETED, event.gone, event.revision, event) if before else None


def too_old(revision: int, oldest: int) -> StatusError:
    return expired(f"too old resource version: {revision} ({oldest})")


def follow(log: EventLog, selection: Selection, position: int) -> Place | Inbox:
    """What is read for a selection, from a number on: the inbox of its topic, or the whole log."""
    if selection.topic is None:
        return Place(log, position)
    return log.topics.open(selection.topic, log.after(position))


class Watcher:
    """Steps: `initial` objects first, then `take` whenever `wait` returns. `bookmarks`: the client wants some.

    Holds a place in the log, or an inbox of few objects' changes, so a client that does not read costs nothing: when
    the window has passed its place, or its inbox is full, it is cut off.
    """

    def __init__(
        self,
        caches: Caches,
        changes: Place | Inbox,
        selection: Selection,
        initial: Sequence[Item] = (),
        *,
        seconds: float,
        bookmarks: bool = False,
        initial_end: bool = False,
    ) -> None:
        self._caches, self._changes, self.selection = caches, changes, selection
        self._initial, self._initial_end, self._bookmarks = deque(initial), initial_end, bookmarks
        self._began_at = caches.revision
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + seconds
        self._next_bookmark = loop.time() + min(BOOKMARK_SECONDS, max(seconds - BEFORE_THE_END, 0.0))
        self._waiter: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def initial(self) -> list[Happened]:
        """The next of the objects that were there in the beginning; empty when all have been told."""
        found: list[Happened] = []
        size = 0
        while self._initial and len(found) < INITIAL_SLICE and size < PORTION:
            item = self._initial.popleft()
            found.append(Happened(ADDED, item, item.revision))
            size += len(item.body)
        if not self._initial and self._initial_end:
            self._initial_end = False
            found.append(Happened(BOOKMARK, None, self._began_at, initial_end=True))
        return found

    def take(self) -> tuple[int, list[Event]]:
        """(what names these events among those of equal selections, the next events since the last call). 410 when some
        are lost."""
        if self._changes.lost:
            raise too_old(self._began_at, self._changes.lost)
        return self._changes.take()

    def bookmark(self) -> Happened | None:
        """A bookmark, when it is time for one; never while there are changes before it that were not told."""
        now = asyncio.get_running_loop().time()
        if not self._bookmarks or now < self._next_bookmark or self._changes.pending:
            return None
        last = self._deadline - BEFORE_THE_END
        self._next_bookmark = now + BOOKMARK_SECONDS if now >= last else min(now + BOOKMARK_SECONDS, last)
        return Happened(BOOKMARK, None, self._caches.revision)

    @property
    def over(self) -> bool:
        return self._caches.failed or asyncio.get_running_loop().time() >= self._deadline

    async def wait(self) -> None:
        """Returns when something may have come, or it is time for a bookmark or for the end."""
        if self._changes.pending:
            return
        loop = asyncio.get_running_loop()
        due = min(self._deadline, self._next_bookmark) if self._bookmarks else self._deadline
        if self._alarm is None or self._alarm.when() != due:
            self.close()
            self._alarm = loop.call_at(due, self._poke)
        self._waiter = self._changes.wait()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _poke(self) -> None:
        self._alarm = None
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def close(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    async def happenings(self) -> AsyncIterator[list[Happened]]:
        """Everything, for who wants it as objects (in-process clients). Raises StatusError 410."""
        try:
            while found := self.initial():
                yield found
            while not self.over:
                _, events = self.take()
                told = [one for one in (select(event, self.selection) for event in events) if one]
                if told:
                    yield told
                if bookmark := self.bookmark():
                    yield [bookmark]
                await self.wait()
        finally:
            self.close()
