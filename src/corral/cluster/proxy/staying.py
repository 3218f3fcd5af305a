"""Staying: the endpoints that are led to and are not about to end, by what the rules say now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from corral.cluster.proxy.services import Front

_NONE: frozenset[str] = frozenset()


class Staying:
    """What is put counts from `take` on, as the rules do.

    >>> from corral.cluster.proxy.services import Target
    >>> web = Front("10.96.0.7", 4, 6, 80, (Target("10.1.0.2", 80), Target("10.1.0.3", 80)))
    >>> staying = Staying()
    >>> staying.put("web", [web], leaving=["10.1.0.3"])
    >>> "10.1.0.2" in staying
    False
    >>> staying.take()
    >>> "10.1.0.2" in staying, "10.1.0.3" in staying
    (True, False)
    """

    def __init__(self) -> None:
        self._of: dict[str, frozenset[str]] = {}
        self._put: dict[str, frozenset[str]] = {}
        self._owners: Counter[str] = Counter()

    def put(self, owner: str, fronts: Sequence[Front], leaving: Iterable[str]) -> None:
        """Instead of what the owner said before."""
        targets = {targets for front in fronts for targets in (front.targets, front.near or ())}
        self._put[owner] = frozenset(one.address for some in targets for one in some).difference(leaving)

    def take(self) -> None:
        for owner, now in self._put.items():
            before = self._of.pop(owner, _NONE)
            self._owners.subtract(before - now)
            self._owners.update(now - before)
            for address in before - now:
                if not self._owners[address]:
                    del self._owners[address]
            if now:
                self._of[owner] = now
        self._put.clear()

    def __contains__(self, address: str) -> bool:
        return address in self._owners
