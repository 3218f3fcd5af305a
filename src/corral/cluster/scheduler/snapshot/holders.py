"""Which nodes have pods that hold a rule about other pods, and how many of them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from corral.cluster.scheduler.pods.terms import Labels
from corral.model.kubernetes.selectors import Selector


class HasSelector(Hashable, Protocol):
    @property
    def about(self) -> Selector:
        """Which pods the rule is about, by their labels."""
        ...


Rule = TypeVar("Rule", bound=HasSelector)
Pair = tuple[str, str]
Rows = dict[int, int]  # how many pods of a row hold a rule


class Holders(Generic[Rule]):
    """Rules of pods that run, each once however many pods hold it."""

    def __init__(self) -> None:
        self._counts: dict[Rule, Rows] = {}
        self._by_label: dict[Pair | None, set[Rule]] = {}

    def __iter__(self) -> Iterator[tuple[Rule, Rows]]:
        return iter(self._counts.items())

    def maybe_about(self, labels: Labels) -> Iterator[tuple[Rule, Rows]]:
        """The rules that may be about a pod with these labels: those that want one of them, or no certain one."""
        for pair in (None, *labels.items()):
            for rule in self._by_label.get(pair, ()):
                yield rule, self._counts[rule]

    def __len__(self) -> int:
        return len(self._counts)

    def add(self, rule: Rule, row: int, change: int) -> None:
        if rule not in self._counts:
            self._counts[rule] = {}
            self._by_label.setdefault(wanted_label(rule.about), set()).add(rule)
        rows = self._counts[rule]
        if left := rows.get(row, 0) + change:
            rows[row] = left
        else:
            rows.pop(row, None)
        if not rows:
            del self._counts[rule]
            pair = wanted_label(rule.about)
            self._by_label[pair].discard(rule)
            if not self._by_label[pair]:
                del self._by_label[pair]


def wanted_label(selector: Selector) -> Pair | None:
    """Pure: a label that all pods of the selector have, None if there is none that is certain."""
    for one in selector.requirements:
        value = selector.required_value(one.key)
        if value is not None:
            return one.key, value
    return None
