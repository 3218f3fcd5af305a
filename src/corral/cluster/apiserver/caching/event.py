"""One change of one object."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from corral.cluster.apiserver.caching.item import Item

PORTION: Final = 1 << 20  # bytes of changes that one watch is told together


class Event:
    """One change: what was and what is. `revision` is the commit's. `forms` keeps what was made of it."""

    __slots__ = ("_gone", "forms", "new", "old", "revision")

    def __init__(self, revision: int, old: Item | None, new: Item | None) -> None:
        self.revision, self.old, self.new = revision, old, new
        self.forms: dict[str, bytes] = {}
        self._gone: Item | None = None

    @property
    def gone(self) -> Item:
        """What was, at the revision of the change that took it away (or out of somebody's selection)."""
        if self._gone is None:
            if self.old is None:
                raise ValueError("nothing was there before")
            self._gone = self.old.at(self.revision)
        return self._gone

    @property
    def size(self) -> int:
        return len(self.new.body if self.new else self.old.body if self.old else b"")


def portion(events: Iterable[Event]) -> list[Event]:
    """Pure: the first of some events, so many that a client who does not read costs little. At least one; those of one
    revision stay together.

    >>> big = Item("a/b", 5, b'{"kind":"X","apiVersion":"v1","metadata":{"name":"%b"}}' % (b"x" * PORTION))
    >>> [one.revision for one in portion([Event(5, None, big), Event(5, None, big), Event(6, None, big)])]
    [5, 5]
    """
    found: list[Event] = []
    size = 0
    for event in events:
        if size >= PORTION and event.revision != found[-1].revision:
            break
        found.append(event)
        size += event.size
    return found
