"""Watching: who wants to know of changes. They are told from memory once a commit is durable, from history before.

A watch joins under the lock that also numbers what is published: what came before that moment it reads from history,
what comes after is put into its queue. So nothing is missing in between, and nothing comes twice.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Self

from corral.errors import CorralError
from corral.store.interface import Change, Lagging

MAX_BEHIND = 10_000  # changes that may wait for one reader
MAX_BYTES = 64 << 20  # … and how large their values may be together

# (prefix, after, until) -> the changes after `after`, and the revision they reach, `until` at most. Compacted.
Replay = Callable[[str, int, int], Awaitable[tuple[list[Change], int]]]


class Hub:
    """All watches of one store in this process. `publish` may be called in any thread."""

    def __init__(self, revision: int, replay: Replay) -> None:
        self.revision = revision
        self.replay = replay
        self._lock = threading.Lock()
        self._watches: dict[asyncio.AbstractEventLoop, set[QueuedWatch]] = {}

    def watch(self, prefix: str, after: int) -> QueuedWatch:
        """One for the running event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            made = QueuedWatch(prefix, after, self.revision, self.replay, self.leave)
            self._watches.setdefault(loop, set()).add(made)
        return made

    def publish(self, changes: Sequence[Change], revision: int) -> None:
        """Tells everybody of durable changes, in order, the last of which has this revision."""
        with self._lock:
            self.revision = revision
            for loop in list(self._watches):
                self._tell(loop, self._deliver, loop, changes, revision)

    def fail(self, error: CorralError) -> None:
        """Ends all watches with this error."""
        with self._lock:
            for loop in list(self._watches):
                self._tell(loop, self._break, loop, error)

    def leave(self, watch: QueuedWatch) -> None:
        with self._lock:
            for loop, watches in list(self._watches.items()):
                watches.discard(watch)
                if not watches:
                    del self._watches[loop]

    def _tell(self, loop: asyncio.AbstractEventLoop, told: Callable[..., None], *arguments: object) -> None:
        try:
            loop.call_soon_threadsafe(told, *arguments)
        except RuntimeError:  # that loop has ended, and nobody reads there any more
            del self._watches[loop]

    def _deliver(self, loop: asyncio.AbstractEventLoop, changes: Sequence[Change], revision: int) -> None:
        for watch in list(self._watches.get(loop, ())):
            watch.offer(changes, revision)

    def _break(self, loop: asyncio.AbstractEventLoop, error: CorralError) -> None:
        for watch in list(self._watches.get(loop, ())):
            watch.end(error)


class QueuedWatch:
    """A `Watch`: first the history until it joined, by `replay`, then what is offered. `leave` is told of its end."""

    def __init__(
        self, prefix: str, after: int, joined: int, replay: Replay, leave: Callable[[QueuedWatch], None]
    ) -> None:
        self._prefix, self._replay, self._leave = prefix, replay, leave
        self._reached = after  # everything up to here was handed out
        self._joined = joined  # what came until here is history
        self._after = after
        self._seen = joined  # the queue ends here
        self._queue: deque[Change] = deque()
        self._size = 0  # of the values in the queue
        self._waiter: asyncio.Future[None] | None = None
        self._error: CorralError | None = None
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Change]:
        while not self._closed:
            if self._error:
                raise self._error
            if self._reached < self._joined:
                found = await self._recall()
            else:
                found = self._take()
            if found:
                return found
            if self._reached >= self._joined and not self._queue:
                await self._wait()
        raise StopAsyncIteration

    async def _recall(self) -> list[Change]:
        try:
            found, reached = await self._replay(self._prefix, self._reached, self._joined)
        except CorralError as error:
            self.end(error)
            raise
        self._reached = reached
        return found

    def _take(self) -> list[Change]:
        found = list(self._queue)
        self._queue.clear()
        self._size = 0
        self._reached = max(self._reached, self._seen)
        return found

    async def _wait(self) -> None:
        if self._error or self._closed:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def progress(self) -> int:
        if self._reached >= self._joined and not self._queue and not self._error:
            self._reached = max(self._reached, self._seen)
        return self._reached

    def offer(self, changes: Sequence[Change], revision: int) -> None:
        """What was published. What came before the watch joined is history; what is not asked for yet is skipped."""
        if revision <= self._seen or self._error:
            return
        self._seen, prefix, after = revision, self._prefix, self._after
        for change in changes:
            if change.revision > after and change.key.startswith(prefix):
                self._queue.append(change)
                self._size += len(change.value or b"")
        if len(self._queue) > MAX_BEHIND or self._size > MAX_BYTES:
            self.end(Lagging(f"the watch of {prefix!r} was cut off: {len(self._queue)} changes were waiting"))
        elif self._queue:
            self._wake()

    def end(self, error: CorralError) -> None:
        """Nothing more comes, and the reader is told why."""
        self._error = self._error or error
        self._queue.clear()
        self._leave(self)
        self._wake()

    def close(self) -> None:
        self._closed = True
        self._queue.clear()
        self._leave(self)
        self._wake()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)
