"""Which nodes have pods that hold a rule about other pods, and how many of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, TypeVar

import numpy as np

from corral.cluster.scheduler.snapshot.arrays import Small, grown

Rule = TypeVar("Rule", bound=Hashable)


class Holders(Generic[Rule]):
    """Rules of pods that run, each once however many pods hold it."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._counts: dict[Rule, Small] = {}
        self._totals: dict[Rule, int] = {}

    def __iter__(self) -> Iterator[tuple[Rule, Small]]:
        return iter(self._counts.items())

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, rule: Rule, row: int, change: int) -> None:
        if rule not in self._counts:
            self._counts[rule] = np.zeros(self._rows, np.int32)
        self._counts[rule][row] += change
        total = self._totals[rule] = self._totals.get(rule, 0) + change
        if not total:
            del self._counts[rule], self._totals[rule]

    def grow(self, rows: int) -> None:
        self._rows = rows
        self._counts = {rule: grown(column, rows) for rule, column in self._counts.items()}
