"""WorkQueue: which keys need a look, each at most once at a time, failures later and later.

Follows client-go's workqueue: a key that is added while it is worked on comes again when that is done; a key that
waits is not there twice.
"""

from __future__ import annotations

import asyncio
from collections import deque

from corral.kit.backoff import exponential

FIRST_RETRY_MS = 5
LONGEST_RETRY_MS = 60_000


class WorkQueue:
    """For one event loop. `get`, then `done`; `retry` instead of `add` after a failure, `forget` after a success."""

    def __init__(self) -> None:
        self._waiting: deque[str] = deque()
        self._wanted: set[str] = set()
        self._working: set[str] = set()
        self._failures: dict[str, int] = {}
        self._later: dict[str, asyncio.TimerHandle] = {}
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """How many keys wait now (those of `add_after` do not count until their time has come)."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Nothing waits and nobody works; what comes later may still come."""
        return not self._wanted and not self._working

    def add(self, key: str) -> None:
        if key in self._wanted:
            return
        self._wanted.add(key)
        if key not in self._working:
            self._waiting.append(key)
            self._filled.set()

    def add_after(self, key: str, seconds: float) -> None:
        """Adds the key then; of several times the soonest counts."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        known = self._later.get(key)
        if known is not None:
            if known.when() <= when:
                return
            known.cancel()
        self._later[key] = loop.call_at(when, self._due, key)

    def _due(self, key: str) -> None:
        self._later.pop(key, None)
        self.add(key)

    def retry(self, key: str) -> float:
        """Adds the key after a pause that doubles with each failure; the pause in seconds."""
        attempt = self._failures.get(key, 0)
        self._failures[key] = attempt + 1
        pause = exponential(attempt, FIRST_RETRY_MS, LONGEST_RETRY_MS) / 1000
        self.add_after(key, pause)
        return pause

    def forget(self, key: str) -> None:
        """The next failure of the key is its first."""
        self._failures.pop(key, None)

    async def get(self) -> str:
        """The next key, which is the caller's until `done`."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        key = self._waiting.popleft()
        self._wanted.discard(key)
        self._working.add(key)
        return key

    def done(self, key: str) -> None:
        self._working.discard(key)
        if key in self._wanted:
            self._waiting.append(key)
            self._filled.set()

    def close(self) -> None:
        """Nothing that was put off comes any more."""
        for handle in self._later.values():
            handle.cancel()
        self._later.clear()
