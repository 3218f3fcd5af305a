"""Tallies: how many pods of one description each node has, kept up by one addition per pod."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.pods.terms import NamespaceLabels, PodTerm
from corral.cluster.scheduler.snapshot.arrays import Small, grown

MOST: Final = 1024  # tallies that are kept up; the longest unused are forgotten

GroupKey = tuple[str, tuple[tuple[str, str], ...], bool]


class Description(NamedTuple):
    """Pods that match all the terms (their topology keys do not matter)."""

    terms: tuple[PodTerm, ...]
    deleting: bool  # whether pods that are being deleted count


@dataclass(slots=True)
class Group:
    """Pods that no rule can tell apart: how many are in each row, and which tallies count them."""

    key: GroupKey
    rows: dict[int, int] = field(default_factory=dict)
    counted_by: list[Tally] = field(default_factory=list)


class Tally:
    def __init__(self, rows: int) -> None:
        self.counts: Small = np.zeros(rows, np.int32)


class Tallies:
    """`labels_of` gives a namespace's labels; when they change, `forget`."""

    def __init__(self, rows: int, labels_of: NamespaceLabels) -> None:
        self._rows, self._labels_of = rows, labels_of
        self._groups: dict[GroupKey, Group] = {}
        self._tallies: OrderedDict[Description, Tally] = OrderedDict()

    def add(self, pod: Pod, row: int, change: int) -> None:
        """`change` is 1 for a pod that comes, -1 for one that goes."""
        group = self._groups.get(pod.group)
        if group is None:
            group = self._groups[pod.group] = Group(pod.group)
            group.counted_by = [one for wanted, one in self._tallies.items() if self._matches(wanted, group.key)]
        left = group.rows.get(row, 0) + change
        if left:
            group.rows[row] = left
        else:
            group.rows.pop(row, None)
        for tally in group.counted_by:
            tally.counts[row] += change
        if not group.rows:
            del self._groups[pod.group]

    def counts(self, wanted: Description) -> Small:
        """How many such pods each row has. To read only."""
        tally = self._tallies.get(wanted)
        if tally is not None:
            self._tallies.move_to_end(wanted)
            return tally.counts
        tally = self._tallies[wanted] = Tally(self._rows)
        for group in self._groups.values():
            if self._matches(wanted, group.key):
                group.counted_by.append(tally)
                for row, count in group.rows.items():
                    tally.counts[row] += count
        if len(self._tallies) > MOST:
            _, oldest = self._tallies.popitem(last=False)
            for group in self._groups.values():
                group.counted_by = [one for one in group.counted_by if one is not oldest]
        return tally.counts

    def forget(self) -> None:
        """All tallies are counted anew when they are next asked for."""
        self._tallies.clear()
        for group in self._groups.values():
            group.counted_by = []

    def grow(self, rows: int) -> None:
        self._rows = rows
        for tally in self._tallies.values():
            tally.counts = grown(tally.counts, rows)

    def _matches(self, wanted: Description, key: GroupKey) -> bool:
        namespace, labels, deleting = key
        if deleting and not wanted.deleting:
            return False
        found = dict(labels)
        return all(term.matches(namespace, found, self._labels_of) for term in wanted.terms)
