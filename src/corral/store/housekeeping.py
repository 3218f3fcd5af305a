"""Housekeeping: how far back the past of a store is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from corral.kit.clock import SECOND

KEEP_TIME = 5 * 60 * SECOND
KEEP_REVISIONS = 10_000
MARK_EVERY = 30 * SECOND


class Mark(NamedTuple):
    """What the last revision was at a time."""

    at: int
    revision: int


def plan_compaction(marks: Sequence[Mark], now: int) -> int:
    """Pure: the revision to compact to; 0 if nothing is to go. `marks` are in order, the last one is the present.

    A revision goes once it is both older than five minutes and not among the last ten thousand: a quiet store keeps
    its past for long, a busy one for as long as a slow client may take for a list.

    >>> marks = [Mark(0, 5_000), Mark(30 * SECOND, 9_000), Mark(400 * SECOND, 22_000)]
    >>> plan_compaction(marks, now=400 * SECOND)
    9000
    >>> plan_compaction(marks[:2], now=400 * SECOND)
    0
    """
    if not marks:
        return 0
    old = max((mark.revision for mark in marks if mark.at <= now - KEEP_TIME), default=0)
    return max(0, min(old, marks[-1].revision - KEEP_REVISIONS))


class Marks:
    """Remembers what the last revision was when, no longer than needed."""

    def __init__(self) -> None:
        self._marks: list[Mark] = []

    def note(self, now: int, revision: int) -> int:
        """To be called now and then; the revision to compact to, 0 if nothing is to go."""
        if self._marks and now - self._marks[-1].at < MARK_EVERY:
            return 0
        self._marks.append(Mark(now, revision))
        found = plan_compaction(self._marks, now)
        while len(self._marks) > 1 and self._marks[1].at <= now - KEEP_TIME:
            del self._marks[0]
        return found
