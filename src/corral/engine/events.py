"""The engine's events: the latest are kept for those who ask later, the rest goes to who listens now."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence

from corral.kit.clock import Clock
from corral.model.event import Event

KEPT = 1024
BACKLOG = 4096  # a listener that is this far behind is let go rather than held in memory


def plan_title(action: str, command: Sequence[str]) -> str:
    """Pure: how an exec's event is called: with its program, a space, and the program's arguments.

    >>> plan_title("exec_start", ["ls", "-l"]), plan_title("exec_start", ["ls"])
    ('exec_start: ls -l', 'exec_start: ls ')
    """
    return f"{action}: {command[0]} {' '.join(command[1:])}"


class Events:
    """Publish never waits; a subscriber gets what it matches, in order, once."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: deque[Event] = deque(maxlen=KEPT)
        self._listeners: set[asyncio.Queue[Event | None]] = set()

    def publish(self, type: str, action: str, id: str, attributes: dict[str, str], unlisted: str = "") -> Event:
        event = Event(type, action, id, attributes, self._next_time(), unlisted=unlisted)
        self._kept.append(event)
        for queue in list(self._listeners):
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                self._listeners.discard(queue)
                queue.get_nowait()
                queue.put_nowait(None)
        return event

    def _next_time(self) -> int:
        """Strictly increasing, so that `since` can continue where a listener stopped."""
        now = self._clock.now()
        return max(now, self._kept[-1].time + 1) if self._kept else now

    async def subscribe(
        self, since: int | None = None, until: int | None = None, match: Callable[[Event], bool] = lambda event: True
    ) -> AsyncIterator[Event]:
        """Events from `since` up to `until` (None: for ever), both in nanoseconds since the epoch.

        Without `since` all that is remembered is told if there is an `until`, and only what is new if there is none.
        Registers at once when iteration starts, so that nothing falls between the replay and the present.
        """
        queue: asyncio.Queue[Event | None] = asyncio.Queue(BACKLOG)
        self._listeners.add(queue)
        try:
            first = since if since is not None else None if until is None else 0
            past = [e for e in self._kept if first is not None and e.time >= first]
            for event in past:
                if (until is None or event.time <= until) and match(event):
                    yield event
            while True:
                event_or_end = await self._next(queue, until)
                if event_or_end is None:
                    return
                if match(event_or_end):
                    yield event_or_end
        finally:
            self._listeners.discard(queue)

    async def _next(self, queue: asyncio.Queue[Event | None], until: int | None) -> Event | None:
        if until is None:
            return await queue.get()
        left = (until - self._clock.now()) / 1e9
        if left <= 0 and queue.empty():
            return None
        try:
            async with asyncio.timeout(max(left, 0.001)):
                event = await queue.get()
        except TimeoutError:
            return None
        return event if event and event.time <= until else None

    @property
    def listening(self) -> int:
        """How many subscribers there are."""
        return len(self._listeners)

    def close(self) -> None:
        """Ends every subscription."""
        for queue in self._listeners:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)
