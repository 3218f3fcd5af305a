"""Pacing: what is large is not written anew for each small change of it, but for several at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LONGEST: Final = 1.0  # second


def pause_after(seconds: float, share: float, longest: float = LONGEST) -> float:
    """Pure: how long a key rests after it was worked on, so that it takes at most this share of the time.

    >>> pause_after(0.001, 0.5), round(pause_after(0.05, 0.2), 3), pause_after(30, 0.2)
    (0.001, 0.2, 1.0)
    """
    return min(longest, seconds * (1 / share - 1))


class Pace:
    """`with pace.of(key):` around the work; `pace.delay(key)` before the next.

    What comes while a key is worked on (its own writes, too) waits as long as the key rested the last time.
    """

    def __init__(self, share: float, longest: float = LONGEST) -> None:
        self._share, self._longest = share, longest
        self._pauses: dict[str, float] = {}
        self._rests_until: dict[str, float] = {}

    @contextmanager
    def of(self, key: str) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        self._rests_until[key] = began + self._pauses.get(key, 0.0)
        try:
            yield
        finally:
            ended = loop.time()
            self._pauses[key] = pause_after(ended - began, self._share, self._longest)
            self._rests_until[key] = ended + self._pauses[key]

    def delay(self, key: str) -> float:
        """Seconds; 0 or less: it has rested."""
        until = self._rests_until.get(key)
        return 0.0 if until is None else until - asyncio.get_running_loop().time()

    def forget(self, key: str) -> None:
        self._rests_until.pop(key, None)
        self._pauses.pop(key, None)
