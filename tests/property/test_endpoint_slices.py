"""Whatever happens to its pods, the slices of a Service hold exactly what is wanted, and change little."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.controllers.endpointslice.packing import identity, plan_packing

Object = dict[str, Any]
LIMIT = 4
endpoints = st.dictionaries(st.integers(0, 30), st.booleans(), max_size=31).map(
    lambda found: [{"addresses": [f"10.0.0.{n}"], "conditions": {"ready": ready}} for n, ready in found.items()]
)


def apply(slices: list[Object], wanted: list[Object]) -> list[Object]:
    plan = plan_packing(slices, wanted, LIMIT)
    updated = {one["n"]: {**one, "endpoints": part} for one, part in plan.update}
    gone = {one["n"] for one in plan.delete}
    assert not gone & set(updated)
    after = [updated.get(one["n"], one) for one in slices if one["n"] not in gone]
    number = max((one["n"] for one in slices), default=0)
    return after + [{"n": number + 1 + i, "endpoints": part} for i, part in enumerate(plan.create)]


@given(st.lists(endpoints, min_size=1, max_size=6))
def test_slices_hold_exactly_what_is_wanted(history: list[list[Object]]) -> None:
    slices: list[Object] = []
    for wanted in history:
        slices = apply(slices, wanted)
        held = [one for part in slices for one in part["endpoints"]]
        assert sorted(map(str, held)) == sorted(map(str, wanted))
        assert len({identity(one) for one in held}) == len(held)
        assert all(0 < len(part["endpoints"]) <= LIMIT for part in slices)


@given(endpoints, endpoints)
def test_what_is_there_already_changes_nothing(first: list[Object], second: list[Object]) -> None:
    slices = apply(apply([], first), second)
    plan = plan_packing(slices, second, LIMIT)
    assert (plan.create, plan.update, plan.delete) == ([], [], [])


@given(endpoints, st.data())
def test_one_pod_more_or_less_changes_one_slice(wanted: list[Object], data: Any) -> None:
    slices = apply([], wanted)
    more = plan_packing(slices, [*wanted, {"addresses": ["10.1.0.1"], "conditions": {}}], LIMIT)
    assert len(more.create) + len(more.update) == 1 and not more.delete
    if wanted:
        gone = data.draw(st.sampled_from(wanted))
        less = plan_packing(slices, [one for one in wanted if one is not gone], LIMIT)
        assert len(less.update) + len(less.delete) == 1 and not less.create
