"""Thresholds as people write them."""

from __future__ import annotations

import pytest

from corral.cluster.kubelet.eviction.thresholds import DEFAULT_HARD, Amount, plan_thresholds
from corral.errors import InvalidInput


def test_the_defaults() -> None:
    found = {one.signal: one.amount for one in plan_thresholds(DEFAULT_HARD, "", "", "")}
    assert found["memory.available"] == Amount(100 << 20) and found["nodefs.available"] == Amount(part=0.05)
    assert found["imagefs.available"] == Amount(part=0.05)
    assert len(found) == 5 and all(one.hard for one in plan_thresholds(DEFAULT_HARD, "", "", ""))


def test_soft_ones_and_what_is_won_back() -> None:
    hard, soft = plan_thresholds(
        "memory.available<1Gi", "memory.available<2Gi", "memory.available=30s", "memory.available=500Mi"
    )
    assert (hard.grace, soft.grace) == (0, 30) and hard.reclaim == soft.reclaim == Amount(500 << 20)


def test_none_and_those_that_are_switched_off() -> None:
    assert plan_thresholds("", "", "", "") == ()
    assert plan_thresholds("nodefs.available<0%,imagefs.available<100%", "", "", "") == ()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("memory.available>1Gi", "", "", ""), "must be SIGNAL<VALUE"),
        (("disk<1Gi", "", "", ""), "unknown signal 'disk'"),
        (("memory.available<much", "", "", ""), "neither a quantity nor a percentage"),
        (("memory.available<-1", "", "", ""), "is negative"),
        (("memory.available<101%", "", "", ""), "more than 100%"),
        (("memory.available<1,memory.available<2", "", "", ""), "given twice"),
        (("", "memory.available<1Gi", "", ""), "has no grace"),
        (("", "memory.available<1Gi", "memory.available=soon", ""), "is no duration"),
        (("", "", "memory.available=0s", ""), "must be more than nothing"),
    ],
)
def test_what_makes_no_sense(words: tuple[str, str, str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        plan_thresholds(*words)
