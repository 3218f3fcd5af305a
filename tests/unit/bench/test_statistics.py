from __future__ import annotations

import pytest

from bench.statistics import Row, Target, collect, ratio


def test_samples_are_sorted_by_row_and_engine() -> None:
    taken = [("corral", {"start": 1.0, "stop": 2.0}), ("dockerd", {"start": 5.0}), ("corral", {"start": 3.0})]
    assert collect(taken) == {"start": {"corral": [1.0, 3.0], "dockerd": [5.0]}, "stop": {"corral": [2.0]}}


def test_one_outlier_does_not_move_the_median() -> None:
    assert Row("run", "ms", {"corral": [50.0, 51.0, 52.0, 53.0, 9000.0]}).medians == {"corral": 52.0}


@pytest.mark.parametrize("medians", [{}, {"corral": 1.0}, {"dockerd": 1.0}, {"corral": 1.0, "dockerd": 0.0}])
def test_no_ratio_without_both_numbers(medians: dict[str, float]) -> None:
    assert ratio(medians, "dockerd") is None
    assert Target("most", 0.2, "dockerd").reached(medians) is None


@pytest.mark.parametrize(
    ("target", "medians", "reached"),
    [
        (Target("most", 0.2, "dockerd"), {"corral": 60.0, "dockerd": 300.0}, True),
        (Target("most", 0.2, "dockerd"), {"corral": 61.0, "dockerd": 300.0}, False),
        (Target("least", 5, "dockerd"), {"corral": 20.0, "dockerd": 4.0}, True),
        (Target("least", 5, "dockerd"), {"corral": 19.0, "dockerd": 4.0}, False),
        (Target("most", 0.5), {"corral": 0.04}, True),
        (Target("most", 60), {"dockerd": 90.0}, None),
    ],
)
def test_targets(target: Target, medians: dict[str, float], reached: bool | None) -> None:
    assert target.reached(medians) is reached
