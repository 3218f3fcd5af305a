"""Domains: sums over the nodes that share a label's value."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from corral.cluster.scheduler.snapshot.arrays import Ints, Mask, Small
from corral.cluster.scheduler.snapshot.labels import LabelColumn


def sums(column: LabelColumn, counts: Small, only: Mask | None = None) -> Ints:
    """The sum of `counts` for each value of a label, by its number; of nodes without the label (0) none."""
    rows = np.flatnonzero(counts if only is None else (counts > 0) & only)  # few nodes have such pods at all
    found = np.bincount(column.ids[rows], weights=counts[rows], minlength=len(column)).astype(np.int64)
    found[0] = 0
    return found


def held_sums(column: LabelColumn, held: Mapping[int, int]) -> Ints:
    """The same of counts by row."""
    rows = np.fromiter(held, np.int64, len(held))
    counts = np.fromiter(held.values(), np.int64, len(held))
    found = np.bincount(column.ids[rows], weights=counts, minlength=len(column)).astype(np.int64)
    found[0] = 0
    return found


def present(column: LabelColumn, only: Mask) -> Mask:
    """Which values the rows in `only` have."""
    found = np.zeros(len(column), np.bool_)
    found[column.ids[only]] = True
    found[0] = False
    return found
