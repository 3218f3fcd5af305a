"""Progress: how often a transfer tells how far it is."""

from __future__ import annotations

import time
from collections.abc import Callable

from corral.model.transfer import Note

Report = Callable[[Note], None]


class Meter:
    """Tells how far something is, at most ten times a second; the end always.

    >>> told, now = [], iter([0.0, 0.05, 0.2, 0.21])
    >>> meter = Meter(lambda current: told.append(current), 100, clock=lambda: next(now))
    >>> for done in (10, 20, 30, 100): meter.at(done)
    >>> told
    [10, 30, 100]
    """

    def __init__(
        self, tell: Callable[[int], None], total: int, clock: Callable[[], float] = time.monotonic, every: float = 0.1
    ) -> None:
        self._tell, self._total, self._clock, self._every = tell, total, clock, every
        self._next = float("-inf")

    def at(self, current: int) -> None:
        now = self._clock()
        if now >= self._next or current == self._total:
            self._next = now + self._every
            self._tell(current)
