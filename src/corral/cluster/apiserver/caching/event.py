"""One change of one object."""

from __future__ import annotations

from corral.cluster.apiserver.caching.item import Item


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
