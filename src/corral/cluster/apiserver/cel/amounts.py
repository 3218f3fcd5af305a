"""Sizes and costs of the parts of an expression, and how they add up. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from corral.cluster.apiserver.cel.sizes import Sized

Size = tuple[int, int]
ONE: Final[Size] = (1, 1)
UNKNOWN: Final[Size] = (0, 1)
LARGEST: Final = 2**64 - 1  # more is not counted
TRAVERSAL: Final = 0.1  # of a character
REGEX: Final = 0.25  # of a pattern's character


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one part of an expression. `size` (least, most) of its value, and of the values in that (`within`); `shape`:
    what it is in the schema; `kind`: its type."""

    cost: int
    size: Size | None = None
    shape: Sized | None = None
    within: Size | None = None
    kind: str = "dyn"

    @property
    def known(self) -> Size:
        return self.size or UNKNOWN


def times(count: int, factor: float) -> int:
    return math.ceil(count * factor)


def union(one: Size, other: Size) -> Size:
    return min(one[0], other[0]), max(one[1], other[1])


def union_of(sizes: Iterable[Size]) -> Size:
    """
    >>> union_of([(1, 3), (2, 5)]), union_of([])
    ((1, 5), (0, 0))
    """
    found = list(sizes)
    return (min(one[0] for one in found), max(one[1] for one in found)) if found else (0, 0)
