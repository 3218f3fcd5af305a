"""Book: all that the rules of one node are to hold, and the text that makes them so. Pure.

`take` gives the text of what has changed since it was last called, `whole` that of everything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from corral.cluster.proxy import marks
from corral.cluster.proxy.elements import plan_elements, plan_selves, target_address
from corral.cluster.proxy.ledger import Change, Ledger, Place
from corral.cluster.proxy.policies.plan import Policing
from corral.cluster.proxy.services import Front
from corral.cluster.proxy.settings import ProxySettings
from corral.cluster.proxy.staying import Staying
from corral.cluster.proxy.tables import (
    pick_name,
    plan_change,
    plan_frames,
    plan_limit,
    plan_objects,
    plan_pick,
    plan_tables,
    plan_without,
)

_HEADS = ("heads4", "heads6", "nears4", "nears6", "door_heads4", "door_heads6", "door_nears4", "door_nears6")
ENDS = ("ends4", "ends6", "door_ends4", "door_ends6")
_POLICIES = "policies"


class Step(NamedTuple):
    """One transaction, and what it changes."""

    text: str
    change: Change


class Book:
    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._ledger = Ledger()
        self._picks: set[str] = set()
        self._limits: dict[int, int] = {}
        self._new_limits: list[int] = []
        self._policing = self._policed = Policing()
        self._leading: Counter[str] = Counter()
        self._staying = Staying()

    def put_service(self, key: str, fronts: Sequence[Front], local: Iterable[str], leaving: Iterable[str] = ()) -> None:
        """What there is of a service now; nothing when it is gone. `local`: its endpoints on this node; `leaving`:
        those that are terminating, also if they serve because there are no others."""
        owner = f"service {key}"
        before = self._ledger.of(owner)
        self._ledger.put(owner, {**plan_elements(fronts, before, self._limit), **plan_selves(local)})
        self._staying.put(owner, fronts, leaving)

    def put_policing(self, policing: Policing) -> None:
        self._policing = policing
        self._ledger.put(_POLICIES, policing.elements)

    def leads(self, address: str) -> bool:
        """Whether, by what was taken last, new connections are led to that endpoint."""
        return self._leading[address] > 0

    def leads_to(self, address: str) -> bool:
        """Whether, by what was taken last, new connections are led to that endpoint, and that may change yet.

        One that is terminating and is led to all the same is the last that its services have: waiting is in vain.
        """
        return self.leads(address) and address in self._staying

    @property
    def remembers(self) -> bool:
        """Whether any service ever wanted its clients remembered."""
        return bool(self._limits)

    def take(self) -> Step | None:
        """What has changed; None when nothing has."""
        change = self._ledger.take()
        self._staying.take()
        known, self._policed = self._policed, self._policing
        dropped = known.sets.keys() - self._policing.sets.keys()  # and their elements with them
        gone = {place: value for place, value in change.gone.items() if place[0] not in dropped}
        text = self._new_chains(change.come) + plan_objects(self._settings.table, self._policing, known)
        text += plan_change(self._settings.table, Change(gone, change.come))
        text += plan_without(self._settings.table, self._policing, known)
        if not text:
            return None
        self._count(change)
        return Step(text, change)

    def whole(self) -> Step:
        """Everything, from nothing: where the tables are not there, or not as they should be."""
        change = self._ledger.take()
        self._staying.take()
        self._count(change)
        self._policed = self._policing
        self._picks.clear()
        self._new_limits = list(self._limits)
        every = self._ledger.all()
        text = plan_tables(self._settings) + plan_frames(self._settings)
        text += self._new_chains(every) + plan_objects(self._settings.table, self._policing, Policing())
        text += plan_change(self._settings.table, Change({}, every))
        return Step(text, change)

    def _new_chains(self, come: Mapping[Place, str]) -> str:
        """The chains that new entries need, and that are not there yet."""
        text = "".join(plan_limit(self._settings.table, self._limits[seconds], seconds) for seconds in self._new_limits)
        self._new_limits = []
        for (name, _), value in come.items():
            if name in _HEADS and (pick := pick_name(name, value)) not in self._picks:
                self._picks.add(pick)
                text += plan_pick(self._settings.table, name, value)
        return text

    def _limit(self, seconds: int) -> int:
        """The number of this time limit. There are as many as a mark has room for; then the nearest serves."""
        if seconds not in self._limits:
            if len(self._limits) >= marks.MOST_LIMITS:
                return self._limits[min(self._limits, key=lambda known: abs(known - seconds))]
            self._limits[seconds] = len(self._limits) + 1
            self._new_limits.append(seconds)
        return self._limits[seconds]

    def _count(self, change: Change) -> None:
        for sign, entries in ((-1, change.gone), (1, change.come)):
            for (name, _), value in entries.items():
                if name in ENDS:
                    self._leading[target_address(value)] += sign
                    if not self._leading[target_address(value)]:
                        del self._leading[target_address(value)]
