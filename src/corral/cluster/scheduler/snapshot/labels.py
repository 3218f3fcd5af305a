"""Labels of nodes as columns of small numbers: 0 where a node lacks the label, else the number of its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from corral.cluster.scheduler.pods.terms import Labels
from corral.cluster.scheduler.snapshot.arrays import Mask, Small, grown
from corral.model.kubernetes.selectors import Requirement
from corral.model.kubernetes.selectors.requirements import DOUBLE_EQUALS, EQUALS, IN


class LabelColumn:
    """One label's values over all rows."""

    def __init__(self, key: str, rows: int) -> None:
        self.key = key
        self.ids: Small = np.zeros(rows, np.int32)
        self.values: list[str | None] = [None]
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        """One more than the values there have been."""
        return len(self.values)

    def number(self, value: str | None) -> int:
        """0: no node has the value."""
        return 0 if value is None else self._numbers.get(value, 0)

    def put(self, row: int, value: str | None) -> None:
        number = self.number(value)
        if value is not None and not number:
            number = self._numbers[value] = len(self.values)
            self.values.append(value)
        self.ids[row] = number

    def one_of(self, values: Iterable[str]) -> Mask:
        numbers = [number for value in values if (number := self.number(value))]
        if len(numbers) == 1:
            found: Mask = self.ids == numbers[0]
            return found
        chosen = np.zeros(len(self.values), np.bool_)
        chosen[numbers] = True
        return chosen[self.ids]

    def where(self, holds: Callable[[str | None], bool]) -> Mask:
        """`holds` is asked once for each value."""
        return np.fromiter(map(holds, self.values), np.bool_, len(self.values))[self.ids]


class LabelColumns:
    """A column is made when it is first asked for, and kept up from then on."""

    def __init__(self, rows: int, labels: Callable[[], Iterable[tuple[int, Labels]]]) -> None:
        self._columns: dict[str, LabelColumn] = {}
        self._rows, self._labels = rows, labels

    def column(self, key: str) -> LabelColumn:
        found = self._columns.get(key)
        if found is None:
            found = self._columns[key] = LabelColumn(key, self._rows)
            for row, labels in self._labels():
                found.put(row, labels.get(key))
        return found

    def put(self, row: int, labels: Labels) -> None:
        for key, column in self._columns.items():
            column.put(row, labels.get(key))

    def grow(self, rows: int) -> None:
        self._rows = rows
        for column in self._columns.values():
            column.ids = grown(column.ids, rows)

    def matching(self, requirement: Requirement) -> Mask:
        """The rows whose labels meet a requirement."""
        column = self.column(requirement.key)
        if requirement.operator in (IN, EQUALS, DOUBLE_EQUALS):
            return column.one_of(requirement.values)
        key = requirement.key
        return column.where(lambda value: requirement.matches({} if value is None else {key: value}))
