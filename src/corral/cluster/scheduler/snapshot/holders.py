"""Which nodes have pods that hold a rule about other pods, and how many of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

import numpy as np

from corral.cluster.scheduler.pods.terms import Labels
from corral.cluster.scheduler.snapshot.arrays import Small, grown
from corral.model.kubernetes.selectors import Selector


class HasSelector(Hashable, Protocol):
    @property
    def about(self) -> Selector:
        """Which pods the rule is about, by their labels."""
        ...


Rule = TypeVar("Rule", bound=HasSelector)
Pair = tuple[str, str]


class Holders(Generic[Rule]):
    """Rules of pods that run, each once however many pods hold it."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._counts: dict[Rule, Small] = {}
        self._totals: dict[Rule, int] = {}
        self._by_label: dict[Pair | None, set[Rule]] = {}

    def __iter__(self) -> Iterator[tuple[Rule, Small]]:
        return iter(self._counts.items())

    def maybe_about(self, labels: Labels) -> Iterator[tuple[Rule, Small]]:
        """The rules that may be about a pod with these labels: those that want one of them, or no certain one."""
        for pair in (None, *labels.items()):
            for rule in self._by_label.get(pair, ()):
                yield rule, self._counts[rule]

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, rule: Rule, row: int, change: int) -> None:
        if rule not in self._counts:
            self._counts[rule] = np.zeros(self._rows, np.int32)
            self._by_label.setdefault(wanted_label(rule.about), set()).add(rule)
        self._counts[rule][row] += change
        total = self._totals[rule] = self._totals.get(rule, 0) + change
        if not total:
            del self._counts[rule], self._totals[rule]
            pair = wanted_label(rule.about)
            self._by_label[pair].discard(rule)
            if not self._by_label[pair]:
                del self._by_label[pair]

    def grow(self, rows: int) -> None:
        self._rows = rows
        self._counts = {rule: grown(column, rows) for rule, column in self._counts.items()}


def wanted_label(selector: Selector) -> Pair | None:
    """Pure: a label that all pods of the selector have, None if there is none that is certain."""
    for one in selector.requirements:
        value = selector.required_value(one.key)
        if value is not None:
            return one.key, value
    return None
