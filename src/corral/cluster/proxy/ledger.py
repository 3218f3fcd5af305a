"""Ledger: what a table of the firewall is to hold, by whom it was wanted, and what has changed since. Pure.

Several may want the same entry; it is there as long as one does. Where they want different values the first has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

Place = tuple[str, str]  # (map or set, key)


class Change(NamedTuple):
    """Both with values; one place in both is a new value in an old place."""

    gone: dict[Place, str]
    come: dict[Place, str]


class Ledger:
    """
    >>> ledger = Ledger()
    >>> ledger.put("web", {("heads4", "a"): "1", ("selves4", "x"): ""})
    >>> ledger.put("api", {("selves4", "x"): ""})
    >>> ledger.take().come
    {('heads4', 'a'): '1', ('selves4', 'x'): ''}
    >>> ledger.put("web", {("heads4", "a"): "2"})
    >>> ledger.take()
    Change(gone={('heads4', 'a'): '1'}, come={('heads4', 'a'): '2'})
    """

    def __init__(self) -> None:
        self._wanted: dict[str, dict[Place, str]] = {}
        self._shared: dict[Place, dict[str, str]] = {}  # owner -> value, the first one counts
        self._before: dict[Place, str | None] = {}  # what was there when the changes were last taken

    def put(self, owner: str, wanted: Mapping[Place, str]) -> None:
        """From now on this is all that the owner wants; nothing: it is forgotten."""
        old = self._wanted.pop(owner, {})
        for place in old.keys() - wanted.keys():
            self._note(place)
            sharing = self._shared[place]
            del sharing[owner]
            if not sharing:
                del self._shared[place]
        for place, value in wanted.items():
            if old.get(place) != value:
                self._note(place)
                self._shared.setdefault(place, {})[owner] = value
        if wanted:
            self._wanted[owner] = dict(wanted)

    def of(self, owner: str) -> Mapping[Place, str]:
        return self._wanted.get(owner, {})

    def value(self, place: Place) -> str | None:
        return next(iter(self._shared.get(place, {}).values()), None)

    def all(self) -> dict[Place, str]:
        return {place: next(iter(sharing.values())) for place, sharing in self._shared.items()}

    def take(self) -> Change:
        """What has changed since this was last called."""
        gone, come = {}, {}
        for place, before in self._before.items():
            now = self.value(place)
            if before == now:
                continue
            if before is not None:
                gone[place] = before
            if now is not None:
                come[place] = now
        self._before = {}
        return Change(gone, come)

    def _note(self, place: Place) -> None:
        if place not in self._before:
            self._before[place] = self.value(place)
