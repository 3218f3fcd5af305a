"""Queue: pods that wait for a node, the most important first.

::

    active ──> (a cycle) ──> fits nowhere ──> unschedulable ──(a change that may help)──> backing off ──> active
                        └──> failed ──────────────────────────────────────────────────> backing off
    gated: until all scheduling gates are gone

Follows upstream's scheduling queue. No I/O; the time is given.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from corral.cluster.client import meta
from corral.cluster.scheduler.moves import HELPS, Helps, always, concerns_scheduling
from corral.cluster.scheduler.settings import Settings

Object = dict[str, Any]

ACTIVE, BACKING_OFF, UNSCHEDULABLE, GATED, WORKING = "active", "backing off", "unschedulable", "gated", "working"


@dataclass(slots=True, eq=False)
class Waiting:
    """A pod without a node. `ticket` tells its newest place in a heap from older ones."""

    pod: Object
    place: str = ACTIVE
    attempts: int = 0
    since: float = 0.0
    ready: float = 0.0
    plugins: frozenset[str] = field(default_factory=frozenset)
    ticket: int = 0

    @property
    def priority(self) -> int:
        return self.pod["spec"].get("priority") or 0


class Queue:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pods: dict[str, Waiting] = {}
        self._active: list[tuple[int, float, int, Waiting]] = []
        self._later: list[tuple[float, int, Waiting]] = []
        self._backing_off: dict[str, Waiting] = {}
        self._unschedulable: dict[str, Waiting] = {}  # the longest there first
        self._refused_by: dict[str, dict[str, Waiting]] = {}  # the same by plugin
        self._tickets = count(1)

    def __len__(self) -> int:
        """How many could be tried now."""
        return sum(one.place == ACTIVE for one in self._pods.values())

    def place(self, uid: str) -> str:
        """Where a pod is, "" if nowhere."""
        found = self._pods.get(uid)
        return found.place if found else ""

    def put(self, pod: Object, now: float) -> None:
        """A pod that has come, or has changed."""
        known = self._pods.get(meta.uid(pod))
        if known is None:
            known = self._pods[meta.uid(pod)] = Waiting(pod, since=now)
            self._enter(known, now)
            return
        old, known.pod = known.pod, pod
        if known.place == GATED:
            if not _gated(pod):
                self._activate(known, now)
        elif known.place == UNSCHEDULABLE and concerns_scheduling(old, pod):
            self._wake(known, now)
        elif known.place == ACTIVE and (old["spec"].get("priority") or 0) != known.priority:
            self._activate(known, known.since)

    def remove(self, uid: str) -> None:
        """A pod that has gone, or has got its node."""
        found = self._pods.pop(uid, None)
        if found is not None:
            self._leave(found)
            found.place, found.ticket = "", 0

    def pop(self, now: float) -> Waiting | None:
        """The next to be tried, if there is one; it is the caller's until `done`, `failed` or `remove`."""
        self.settle(now)
        if not self._active:
            self._hurry(now)
        while self._active:
            _, _, ticket, found = heapq.heappop(self._active)
            if found.ticket == ticket and found.place == ACTIVE:
                found.place, found.plugins = WORKING, frozenset()
                found.attempts += 1
                return found
        return None

    def failed(self, waiting: Waiting, plugins: Iterable[str], now: float) -> None:
        """It fitted nowhere because of these plugins; without any, something else went wrong, and it tries again."""
        if self._pods.get(meta.uid(waiting.pod)) is not waiting:
            return
        waiting.plugins, waiting.since = frozenset(plugins), now
        if waiting.plugins:
            waiting.place = UNSCHEDULABLE
            self._unschedulable[meta.uid(waiting.pod)] = waiting
            for plugin in waiting.plugins:
                self._refused_by.setdefault(plugin, {})[meta.uid(waiting.pod)] = waiting
        else:
            self._wake(waiting, now)

    def move(self, change: str, now: float, helps: Helps = always) -> int:
        """Wakes those whom the change may help; how many."""
        woken: dict[str, Waiting] = {}
        for plugin in HELPS[change]:
            refused = self._refused_by.get(plugin, {})
            woken |= {uid: one for uid, one in refused.items() if uid not in woken and helps(plugin, one.pod)}
        for one in woken.values():
            self._wake(one, now)
        return len(woken)

    def _hurry(self, now: float) -> None:
        """Nobody else wants a turn: who waits only for a back-off, and might fit now, need not."""
        for one in [one for one in self._backing_off.values() if one.plugins]:
            self._activate(one, one.since)

    def settle(self, now: float) -> None:
        """Makes active whose time has come."""
        while self._later and self._later[0][0] <= now:
            _, ticket, found = heapq.heappop(self._later)
            if found.ticket == ticket:
                self._activate(found, found.since)
        while self._unschedulable and self._oldest() <= now:
            self._wake(next(iter(self._unschedulable.values())), now)

    def due(self) -> float | None:
        """When `settle` has something to do next, None if never."""
        while self._later and self._later[0][2].ticket != self._later[0][1]:
            heapq.heappop(self._later)
        found = [self._later[0][0]] if self._later else []
        return min([*found, self._oldest()] if self._unschedulable else found, default=None)

    def _oldest(self) -> float:
        """When the pod that fitted nowhere longest ago is tried again, though nothing has happened."""
        return next(iter(self._unschedulable.values())).since + self._settings.flush

    def backoff(self, attempts: int) -> float:
        """Pure.

        >>> [Queue(Settings()).backoff(attempts) for attempts in (1, 2, 3, 4, 5, 6)]
        [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
        """
        return min(self._settings.longest_backoff, self._settings.first_backoff * 2.0 ** min(attempts - 1, 32))

    def _enter(self, waiting: Waiting, now: float) -> None:
        if _gated(waiting.pod):
            waiting.place = GATED
        else:
            self._activate(waiting, now)

    def _activate(self, waiting: Waiting, since: float) -> None:
        self._leave(waiting)
        waiting.place, waiting.since, waiting.ticket = ACTIVE, since, next(self._tickets)
        heapq.heappush(self._active, (-waiting.priority, since, waiting.ticket, waiting))

    def _leave(self, waiting: Waiting) -> None:
        uid = meta.uid(waiting.pod)
        self._backing_off.pop(uid, None)
        if self._unschedulable.pop(uid, None) is not None:
            for plugin in waiting.plugins:
                self._refused_by[plugin].pop(uid, None)

    def _wake(self, waiting: Waiting, now: float) -> None:
        self._leave(waiting)
        ready = waiting.since + self.backoff(waiting.attempts)
        if ready <= now:
            self._activate(waiting, now)
            return
        waiting.place, waiting.ticket = BACKING_OFF, next(self._tickets)
        self._backing_off[meta.uid(waiting.pod)] = waiting
        heapq.heappush(self._later, (ready, waiting.ticket, waiting))


def _gated(pod: Object) -> bool:
    return bool(pod["spec"].get("schedulingGates"))
