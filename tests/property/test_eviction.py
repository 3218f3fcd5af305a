"""Whatever a node's signals do: what is decided of pressure and of who goes keeps its promises."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.kubelet.eviction.pressure import Observed, Pressure, plan_pressure
from corral.cluster.kubelet.eviction.ranking import Use, plan_ranking, requested
from corral.cluster.kubelet.eviction.thresholds import SIGNALS, Amount, Threshold

Object = dict[str, Any]

THRESHOLDS = st.builds(
    Threshold,
    st.sampled_from(sorted(SIGNALS)),
    st.integers(0, 1000).map(Amount) | st.floats(0.01, 0.99).map(lambda part: Amount(part=part)),
    st.sampled_from([0.0, 10.0, 60.0]),
    st.integers(0, 200).map(Amount),
)
LOOKS = st.tuples(st.integers(1, 50), st.dictionaries(st.sampled_from(sorted(SIGNALS)), st.integers(0, 1000)))


@given(st.lists(THRESHOLDS, unique_by=lambda one: (one.signal, one.grace)), st.lists(LOOKS), st.integers(0, 100))
def test_pressure(thresholds: list[Threshold], looks: list[tuple[int, dict[str, int]]], transition: int) -> None:
    now, pressure, asked = 0.0, Pressure(), dict[str, float]()
    for later, free in looks:
        now += later
        observed = {signal: Observed(value, 1000) for signal, value in free.items()}
        before, pressure = pressure, plan_pressure(thresholds, observed, pressure, now, transition)
        for one in thresholds:
            known = observed.get(one.signal)
            short = known is not None and known.available < one.amount.of(1000)
            if short:
                asked[SIGNALS[one.signal].condition] = now
                assert SIGNALS[one.signal].condition in pressure.conditions
                assert one.grace or one in pressure.acute
            if one in pressure.acute:  # never before its grace, and only while it is short or more is to be won back
                assert now - pressure.since[one] >= one.grace and (short or one in before.acute)
        for condition in pressure.conditions:
            assert condition in asked
        order = [one.signal for one in pressure.acute]
        assert order == sorted(order, key=lambda signal: signal != "memory.available")
        assert plan_pressure(thresholds, {}, pressure, now + transition + 1, transition).conditions == frozenset()


PODS = st.lists(
    st.tuples(st.sampled_from([0, 5, 2_000_000_000]), st.integers(0, 100), st.none() | st.integers(0, 200)), max_size=8
)


@given(PODS, st.sampled_from(["memory", "ephemeral-storage", "inodes", "pids"]))
def test_ranking(drawn: list[tuple[int, int, int | None]], resource: str) -> None:
    pods, uses = [], {}
    for n, (priority, asks, used) in enumerate(drawn):
        container = {"resources": {"requests": {"memory": str(asks), "ephemeral-storage": str(asks)}}}
        pods.append({"metadata": {"uid": str(n)}, "spec": {"priority": priority, "containers": [container]}})
        if used is not None:
            uses[str(n)] = Use(used)
    ranked = plan_ranking(pods, uses, resource)
    assert sorted(one["metadata"]["uid"] for one in ranked) == [
        str(n) for n, one in enumerate(drawn) if one[0] < 2_000_000_000
    ]
    for first, second in itertools.pairwise(ranked):
        a, b = uses.get(first["metadata"]["uid"]), uses.get(second["metadata"]["uid"])
        if a is None or b is None:
            assert a is None
            continue
        beyond_a, beyond_b = a.total - requested(first, resource), b.total - requested(second, resource)
        if resource != "pids" and (beyond_a > 0) != (beyond_b > 0):
            assert beyond_a > 0
        else:
            assert first["spec"]["priority"] <= second["spec"]["priority"]
            assert first["spec"]["priority"] < second["spec"]["priority"] or beyond_a >= beyond_b
