"""From two samples to what is used: what has ended, begun or been started again in between."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.client.metering.rates import (
    LEAST,
    OLDEST,
    SECOND,
    ContainerSample,
    Sample,
    plan_base,
    plan_kept,
    plan_report,
)
from corral.cluster.client.usage import Used

BEGUN = 1_700_000_000 * SECOND
WEB = ContainerSample("shop", "web", "u1", "main", started=BEGUN, cpu=0, memory=4096)


def sample(at: float, **containers: ContainerSample) -> Sample:
    """`at` seconds after the beginning."""
    return Sample(BEGUN + int(at * SECOND), 0, 0, containers)


def used(base: Sample, now: Sample) -> dict[str, dict[str, Used]]:
    return {one.name: dict(one.containers) for one in plan_report("n1", base, now).pods}


def test_one_that_began_in_between_is_measured_from_its_start() -> None:
    late = WEB._replace(started=BEGUN + 6 * SECOND, cpu=2 * SECOND)
    found = plan_report("n1", sample(0), sample(10, c1=late))
    assert found.pods[0].containers["main"].cpu == SECOND // 2 and found.pods[0].window == 4.0
    assert found.nodes[0].window == 10.0


def test_a_pod_with_one_that_began_just_now_is_not_measured_yet() -> None:
    young = WEB._replace(name="side", started=BEGUN + int(9.5 * SECOND))
    now = sample(10, c1=WEB._replace(cpu=SECOND), c2=young, c3=WEB._replace(uid="u2", pod="api"))
    assert list(used(sample(0, c1=WEB, c3=WEB), now)) == ["api"]


def test_the_same_container_started_again_has_used_nothing_before() -> None:
    again = WEB._replace(started=BEGUN + 5 * SECOND, cpu=SECOND)
    found = used(sample(0, c1=WEB._replace(cpu=90 * SECOND)), sample(10, c1=again))
    assert found["web"]["main"].cpu == SECOND // 5


def test_one_that_has_ended_is_not_there_any_more() -> None:
    assert used(sample(0, c1=WEB), sample(10)) == {}


def test_a_count_that_went_back_is_no_measure() -> None:
    now = sample(10, c1=WEB)
    assert used(sample(0, c1=WEB._replace(cpu=SECOND)), now) == {}
    assert plan_report("n1", replace(sample(0), cpu=5), now).nodes[0].used.cpu == 0


def test_a_clock_that_was_set_back_leaves_nothing_to_compare_with() -> None:
    now = BEGUN + 100 * SECOND
    assert plan_kept([sample(200), sample(300)], now) == []


@pytest.mark.parametrize("ages", [[], [0.0], [0.4, 0.999]])
def test_too_young_to_compare_with(ages: list[float]) -> None:
    assert plan_base([sample(100 - age) for age in sorted(ages, reverse=True)], BEGUN + 100 * SECOND) is None


@given(st.lists(st.integers(0, 200 * SECOND), max_size=8))
def test_whatever_was_sampled_the_measure_is_neither_short_nor_old(times: list[int]) -> None:
    now = BEGUN + 200 * SECOND
    kept = plan_kept([Sample(BEGUN + one, 0, 0) for one in sorted(times)], now)
    base = plan_base(kept, now)
    old_enough = [one for one in kept if now - one.at >= LEAST]
    assert (base is None) == (not old_enough)
    assert base is None or LEAST <= now - base.at <= OLDEST
