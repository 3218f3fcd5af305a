"""The arithmetic of rolling updates, case by case."""

from __future__ import annotations

import pytest

from corral.cluster.controllers.deployment.rolling import plan_rolling
from corral.cluster.controllers.deployment.scaling import plan_scaling
from corral.cluster.controllers.deployment.sizes import Bounds, Size

CASES = [
    ("first of all", 3, Bounds(1, 0), (0, 0), [], {"new": 3}),
    ("surge only", 4, Bounds(1, 0), (0, 0), [(4, 4)], {"new": 1}),
    ("unavailable only", 4, Bounds(0, 1), (0, 0), [(4, 4)], {"old0": 3}),
    ("one waits", 4, Bounds(1, 0), (1, 0), [(4, 4)], {}),
    ("one is there", 4, Bounds(1, 0), (1, 1), [(4, 4)], {"old0": 3}),
    ("broken old ones go too, within bounds", 4, Bounds(1, 0), (1, 1), [(4, 1)], {"old0": 3}),
    ("the oldest first", 4, Bounds(0, 2), (0, 0), [(2, 2), (2, 2)], {"old0": 0}),
    ("too many new", 3, Bounds(1, 1), (5, 5), [], {"new": 3}),
]


@pytest.mark.parametrize(("name", "wanted", "bounds", "new", "old", "expected"), CASES, ids=lambda one: str(one))
def test_a_step(
    name: str, wanted: int, bounds: Bounds, new: tuple[int, int], old: list[tuple[int, int]], expected: dict[str, int]
) -> None:
    sets = [Size(f"old{n}", *sizes, created=f"t{n}") for n, sizes in enumerate(old)]
    assert {one.name: one.replicas for one in plan_rolling(wanted, bounds, Size("new", *new), sets)} == expected


def test_scaling_to_nothing_and_back() -> None:
    sets = [Size("old", 6, 6, "t0", 8), Size("new", 2, 0, "t1", 8)]
    assert {one.name: one.replicas for one in plan_scaling(0, Bounds(2, 0), sets[1], sets[:1])} == {"old": 0, "new": 0}
    assert {one.name: one.replicas for one in plan_scaling(12, Bounds(4, 0), sets[1], sets[:1])} == {
        "old": 12,
        "new": 4,
    }


def test_a_finished_rollout_drops_the_old() -> None:
    found = plan_scaling(3, Bounds(1, 0), Size("new", 3, 3), [Size("old", 1, 1)])
    assert [(one.name, one.replicas) for one in found] == [("old", 0)]
