"""Nodes: what they are (labels, taints, resources, images), and how much of it is taken."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from corral.cluster.client import meta
from corral.cluster.scheduler.pods.pod import full_image
from corral.cluster.scheduler.pods.terms import Labels
from corral.cluster.scheduler.snapshot.arrays import FIRST, Ints, Mask, Small, grown
from corral.cluster.scheduler.snapshot.labels import LabelColumns
from corral.model.kubernetes.labels import REGION, ZONE
from corral.model.kubernetes.requests import CPU, EPHEMERAL, MEMORY, PODS, amounts
from corral.model.kubernetes.taints import Taint, taints_of

Object = dict[str, Any]

FIXED: Final = (CPU, MEMORY, EPHEMERAL, PODS)
POD_COLUMN: Final = 3
NO_LABELS: Final[Labels] = {}


class Nodes:
    """Rows are reused. A row may have a name and no node yet (`present` is false): pods came before their node."""

    def __init__(self) -> None:
        self.rows = FIRST
        self.top = 0  # rows from here on were never used
        self.version = 0  # changes whenever a node comes, goes or becomes another
        self.row_of: dict[str, int] = {}
        self.names: list[str] = [""] * FIRST
        self.objects: list[Object | None] = [None] * FIRST
        self.present: Mask = np.zeros(FIRST, np.bool_)
        self.unschedulable: Mask = np.zeros(FIRST, np.bool_)
        self.taint_set: Small = np.zeros(FIRST, np.int32)
        self.taint_sets: list[tuple[Taint, ...]] = [()]
        self.resources: dict[str, int] = {name: number for number, name in enumerate(FIXED)}
        self.allocatable: Ints = np.zeros((len(FIXED), FIRST), np.int64)
        self.requested: Ints = np.zeros((len(FIXED), FIRST), np.int64)
        self.usual: Ints = np.zeros((2, FIRST), np.int64)
        self.labels = LabelColumns(FIRST, self._all_labels)
        self.images: dict[str, dict[int, int]] = {}
        self._taint_numbers: dict[tuple[Taint, ...], int] = {(): 0}
        self._free = list(range(FIRST - 1, -1, -1))
        self._order: tuple[int, Ints] = (-1, np.zeros(0, np.int64))

    def __len__(self) -> int:
        """How many nodes there are."""
        return int(np.count_nonzero(self.present))

    def _all_labels(self) -> Iterator[tuple[int, Labels]]:
        for row, node in enumerate(self.objects):
            if node is not None:
                yield row, labels_of(node)

    def row(self, name: str) -> tuple[int, bool]:
        """The row of that name, a new one if need be; and whether all columns must grow for it."""
        found = self.row_of.get(name)
        if found is not None:
            return found, False
        grow = not self._free
        if grow:
            self._grow(self.rows * 2)
        row = self.row_of[name] = self._free.pop()
        self.names[row] = name
        if row >= self.top:
            self.top = row + 1
            self.version += 1
        return row, grow

    def release(self, row: int) -> None:
        """A row without a node and without pods."""
        del self.row_of[self.names[row]]
        self.names[row] = ""
        self._free.append(row)

    def put(self, row: int, node: Object) -> None:
        old = self.objects[row]
        self.objects[row] = node
        self._put_images(row, old, node)
        if old is not None and _what_matters(old) == _what_matters(node):
            return
        self.version += 1
        self.present[row] = True
        self.unschedulable[row] = bool(node["spec"].get("unschedulable")) if node.get("spec") else False
        self.taint_set[row] = self._taint_number(taints_of(node))
        self.labels.put(row, labels_of(node))
        self._put_allocatable(row, node)

    def remove(self, row: int) -> None:
        old = self.objects[row]
        self.version += 1
        self.objects[row] = None
        self.present[row] = self.unschedulable[row] = False
        self.taint_set[row] = 0
        self.labels.put(row, NO_LABELS)
        self.allocatable[:, row] = 0
        self._put_images(row, old, None)

    def resource(self, name: str) -> int:
        """The column of a resource, a new one if need be."""
        found = self.resources.get(name)
        if found is None:
            found = self.resources[name] = len(self.resources)
            blank = np.zeros((1, self.rows), np.int64)
            self.allocatable = np.concatenate((self.allocatable, blank))
            self.requested = np.concatenate((self.requested, blank))
        return found

    @property
    def order(self) -> Ints:
        """The rows with nodes, zone by zone in turns, so that any stretch of them has nodes of all zones."""
        version, order = self._order
        if version != self.version:
            zones: dict[tuple[str, str], list[int]] = {}
            for row, labels in self._all_labels():
                zones.setdefault((labels.get(REGION, ""), labels.get(ZONE, "")), []).append(row)
            order = np.array(interleaved(list(zones.values())), np.int64)
            self._order = (self.version, order)
        return order

    def _taint_number(self, found: tuple[Taint, ...]) -> int:
        number = self._taint_numbers.get(found)
        if number is None:
            number = self._taint_numbers[found] = len(self.taint_sets)
            self.taint_sets.append(found)
        return number

    def _put_allocatable(self, row: int, node: Object) -> None:
        self.allocatable[:, row] = 0
        for name, value in amounts((node.get("status") or {}).get("allocatable")).items():
            number = self.resource(name)
            self.allocatable[number, row] = value

    def _put_images(self, row: int, old: Object | None, new: Object | None) -> None:
        before, after = _images(old), _images(new)
        if before == after:
            return
        for name in before:
            self.images[name].pop(row, None)
            if not self.images[name]:
                del self.images[name]
        for name, size in after.items():
            self.images.setdefault(name, {})[row] = size

    def _grow(self, rows: int) -> None:
        self._free = list(range(rows - 1, self.rows - 1, -1))
        more = rows - self.rows
        self.names += [""] * more
        self.objects += [None] * more
        self.present, self.unschedulable = grown(self.present, rows), grown(self.unschedulable, rows)
        self.taint_set = grown(self.taint_set, rows)
        self.allocatable, self.requested = grown(self.allocatable, rows), grown(self.requested, rows)
        self.usual = grown(self.usual, rows)
        self.labels.grow(rows)
        self.rows = rows


def labels_of(node: Object) -> Labels:
    return node["metadata"].get("labels") or NO_LABELS


def interleaved(groups: list[list[int]]) -> list[int]:
    """Pure: one of each group in turns.

    >>> interleaved([[1, 2, 3], [4], [5, 6]])
    [1, 4, 5, 2, 6, 3]
    """
    longest = max(map(len, groups), default=0)
    return [group[turn] for turn in range(longest) for group in groups if turn < len(group)]


def _what_matters(node: Object) -> tuple[Any, ...]:
    spec, status = node.get("spec") or {}, node.get("status") or {}
    return meta.uid(node), labels_of(node), spec.get("unschedulable"), spec.get("taints"), status.get("allocatable")


def _images(node: Object | None) -> dict[str, int]:
    listed = ((node or {}).get("status") or {}).get("images") or ()
    return {full_image(name): one.get("sizeBytes") or 0 for one in listed for name in one.get("names") or ()}
