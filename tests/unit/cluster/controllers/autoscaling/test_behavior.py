"""Scaling by rules: rates, windows, bounds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from corral.cluster.controllers.autoscaling.behavior import Memory, limit, rules, stabilized

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def policies(direction: str, select: str, *found: tuple[str, int, int]) -> dict[str, Any]:
    listed = [{"type": type, "value": value, "periodSeconds": period} for type, value, period in found]
    return {"behavior": {direction: {"selectPolicy": select, "policies": listed}}}


UP, DOWN = "scaleUp", "scaleDown"
CASES = [
    ({}, 10, 50, [], 20, "ScaleUpLimit"),
    ({}, 10, 1, [], 1, "DesiredWithinRange"),
    (policies(UP, "Max", ("Pods", 2, 60)), 10, 50, [], 12, "ScaleUpLimit"),
    (policies(UP, "Max", ("Pods", 2, 60)), 12, 50, [(30, 2)], 12, "ScaleUpLimit"),
    (policies(UP, "Max", ("Pods", 2, 60)), 12, 50, [(90, 2)], 14, "ScaleUpLimit"),
    (policies(UP, "Min", ("Pods", 2, 60), ("Percent", 10, 60)), 10, 50, [], 11, "ScaleUpLimit"),
    (policies(UP, "Disabled"), 10, 50, [], 10, "ScaleUpLimit"),
    (policies(DOWN, "Max", ("Percent", 50, 60)), 10, 1, [], 5, "ScaleDownLimit"),
    (policies(DOWN, "Max", ("Pods", 3, 60)), 7, 1, [(30, -3)], 7, "ScaleDownLimit"),
    (policies(DOWN, "Disabled"), 10, 1, [], 10, "ScaleDownLimit"),
    ({}, 60, 200, [], 100, "TooManyReplicas"),
]


@pytest.mark.parametrize(("spec", "current", "wanted", "changes", "expected", "reason"), CASES)
def test_how_far_at_once(
    spec: dict[str, Any], current: int, wanted: int, changes: list[tuple[int, int]], expected: int, reason: str
) -> None:
    memory = Memory(changes=[(NOW - timedelta(seconds=ago), by) for ago, by in changes])
    found = limit(current, wanted, 1, 100, spec, memory, NOW)
    assert (found.replicas, found.reason) == (expected, reason)


def test_fewer_than_the_least_are_refused() -> None:
    assert limit(4, 0, 2, 10, {}, Memory(), NOW).reason == "TooFewReplicas"


def test_growing_waits_for_its_window_too() -> None:
    spec = {"behavior": {UP: {"stabilizationWindowSeconds": 60}}}
    before = [(NOW - timedelta(seconds=30), 6)]
    assert stabilized(5, 9, before, rules(spec, UP), rules(spec, DOWN), NOW) == 6
    assert stabilized(5, 9, before, rules({}, UP), rules({}, DOWN), NOW) == 9
