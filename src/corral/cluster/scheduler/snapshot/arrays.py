"""The kinds of arrays, and how columns grow."""

from __future__ import annotations

from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Mask: TypeAlias = npt.NDArray[np.bool_]
Ints: TypeAlias = npt.NDArray[np.int64]
Small: TypeAlias = npt.NDArray[np.int32]
Floats: TypeAlias = npt.NDArray[np.float64]

FIRST = 64  # rows

Column = TypeVar("Column", bound=npt.NDArray[Any])


def grown(column: Column, rows: int) -> Column:
    """A longer copy; the last axis is that of the rows, and what is new is zero."""
    more = [(0, 0)] * (column.ndim - 1) + [(0, rows - column.shape[-1])]
    return np.pad(column, more)  # type: ignore[return-value]
