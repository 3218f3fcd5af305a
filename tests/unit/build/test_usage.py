"""What of that which is kept goes, and what stays."""

from __future__ import annotations

import pytest

from corral.build.usage import MOUNT, REGULAR, Usage, plan_prune
from corral.errors import InvalidInput
from corral.kit.clock import SECOND

HOUR = 3600 * SECOND
NOW = 10 * HOUR
OLD = Usage("old", REGULAR, "RUN a", 10, 1 * HOUR, used=2 * HOUR)
NEW = Usage("new", REGULAR, "RUN b", 20, 1 * HOUR, used=9 * HOUR, shared=True)
BUSY = Usage("busy", REGULAR, "RUN c", 30, 1 * HOUR, used=1 * HOUR, in_use=True)
DIR = Usage("dir", MOUNT, "cached mount c", 40, 3 * HOUR)
ALL = [OLD, NEW, BUSY, DIR]


@pytest.mark.parametrize(
    ("filters", "keep", "everything", "gone"),
    [
        ({}, 0, False, ["old", "dir"]),
        ({}, 0, True, ["old", "dir", "new"]),
        ({}, 90, True, ["old"]),
        ({}, 1000, True, []),
        ({"until": ["5h"]}, 0, True, ["old", "dir"]),
        ({"unused-for": ["5h"]}, 0, True, ["old", "dir"]),
        ({"type": [MOUNT]}, 0, True, ["dir"]),
        ({"id": ["new", "old"]}, 0, True, ["old", "new"]),
        ({"shared": [""]}, 0, True, ["new"]),
        ({"private": [""]}, 0, True, ["old", "dir"]),
        ({"inuse": ["1"]}, 0, True, []),
        ({"description": ["RUN a"]}, 0, True, ["old"]),
    ],
)
def test_what_goes(filters: dict[str, list[str]], keep: int, everything: bool, gone: list[str]) -> None:
    assert plan_prune(ALL, filters, keep, everything, NOW) == gone


def test_unknown_filters_are_refused() -> None:
    with pytest.raises(InvalidInput, match="invalid filter 'colour'"):
        plan_prune(ALL, {"colour": ["red"]}, 0, True, NOW)
    with pytest.raises(InvalidInput, match="until=soon"):
        plan_prune(ALL, {"until": ["soon"]}, 0, True, NOW)
