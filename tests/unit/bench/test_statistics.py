from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.statistics import LEVEL, MISSED, REACHED, UNKNOWN, Row, Target, collect, ratio, spread


def test_samples_are_sorted_by_row_and_engine() -> None:
    taken = [("corral", {"start": 1.0, "stop": 2.0}), ("dockerd", {"start": 5.0}), ("corral", {"start": 3.0})]
    assert collect(taken) == {"start": {"corral": [1.0, 3.0], "dockerd": [5.0]}, "stop": {"corral": [2.0]}}


def test_one_outlier_does_not_move_the_median() -> None:
    assert Row("run", "ms", {"corral": [50.0, 51.0, 52.0, 53.0, 9000.0]}).medians == {"corral": 52.0}


@pytest.mark.parametrize("samples", [{}, {"corral": [1.0]}, {"dockerd": [1.0]}, {"corral": [1.0], "dockerd": [0.0]}])
def test_no_ratio_without_both_numbers(samples: dict[str, list[float]]) -> None:
    assert ratio(samples, "dockerd") is None
    assert Target("most", 0.2, "dockerd").verdict(samples) == UNKNOWN


@pytest.mark.parametrize(
    ("target", "samples", "verdict"),
    [
        (Target("most", 0.2, "dockerd"), {"corral": [60.0], "dockerd": [300.0]}, REACHED),
        (Target("most", 0.2, "dockerd"), {"corral": [61.0], "dockerd": [300.0]}, MISSED),
        (Target("least", 5, "dockerd"), {"corral": [20.0], "dockerd": [4.0]}, REACHED),
        (Target("least", 5, "dockerd"), {"corral": [19.0], "dockerd": [4.0]}, MISSED),
        (Target("most", 0.5), {"corral": [0.04]}, REACHED),
        (Target("most", 60), {"corral": [59.0, 61.0, 62.0]}, MISSED),
        (Target("most", 60), {"dockerd": [90.0]}, UNKNOWN),
    ],
)
def test_targets(target: Target, samples: dict[str, list[float]], verdict: str) -> None:
    assert target.verdict(samples) == verdict


def test_what_noise_can_explain_is_not_missed_and_what_it_cannot_is() -> None:
    noise = [0.96, 1.03, 0.99, 1.01, 0.97, 1.02, 0.995, 0.98, 0.99]
    level = {"corral": [1921.0 * one for one in noise], "dockerd": [1921.0] * 9}
    behind = {"corral": [1800.0 * one for one in noise], "dockerd": [1921.0] * 9}
    assert Target("least", 1, "dockerd").verdict(level) == LEVEL
    assert Target("least", 1, "dockerd").verdict(behind) == MISSED


def test_pairs_are_compared_however_much_the_machine_slows_both() -> None:
    slow = [1.0, 7.0, 2.0, 30.0, 1.5]
    found = ratio({"corral": [2 * one for one in slow], "dockerd": [4 * one for one in slow]}, "dockerd")
    assert found == (0.5, 0.5, 0.5)


@given(st.lists(st.floats(0.1, 1e6), min_size=1, max_size=30))
def test_the_median_lies_in_its_interval(values: list[float]) -> None:
    found = spread(values)
    assert min(values) <= found.low <= found.median <= found.high <= max(values)
