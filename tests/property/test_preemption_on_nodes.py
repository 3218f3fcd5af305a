"""Making room on a node: what is chosen is enough, and nobody goes for nothing."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.kubelet.lifecycle.admission import Shortage
from corral.cluster.kubelet.lifecycle.preemption import plan_victims

Object = dict[str, Any]

CRITICAL = {"metadata": {"uid": "x"}, "spec": {"containers": [{}], "priority": 2_000_000_000}}
AMOUNTS = st.integers(0, 8)


@st.composite
def pods(draw: st.DrawFn) -> list[Object]:
    found = []
    for number in range(draw(st.integers(0, 7))):
        asks = {"cpu": f"{draw(AMOUNTS)}", "memory": f"{draw(AMOUNTS)}"}
        resources = {"requests": asks, "limits": asks} if draw(st.booleans()) else {"requests": asks}
        spec = {"containers": [{"resources": resources}], "priority": draw(st.sampled_from((0, 5, 2_000_000_000)))}
        found.append({"metadata": {"uid": str(number)}, "spec": spec})
    return found


def given_up(some: list[Object]) -> tuple[int, int]:
    asked = [one["spec"]["containers"][0]["resources"]["requests"] for one in some]
    return sum(int(one["cpu"]) * 1000 for one in asked), sum(int(one["memory"]) for one in asked)


@given(pods(), st.integers(1, 20), st.integers(1, 20))
def test_enough_goes_or_nobody(others: list[Object], cpu: int, memory: int) -> None:
    short = [Shortage("cpu", cpu * 1000, 0, 0), Shortage("memory", memory, 0, 0)]
    chosen = plan_victims(CRITICAL, others, short)
    may_go = [one for one in others if one["spec"]["priority"] < 2_000_000_000]
    has = given_up(may_go)
    enough = has[0] >= cpu * 1000 and has[1] >= memory
    assert isinstance(chosen, list) is enough
    if isinstance(chosen, list):
        assert all(one in may_go for one in chosen)
        freed = given_up(chosen)
        assert freed[0] >= cpu * 1000 and freed[1] >= memory
        assert len({one["metadata"]["uid"] for one in chosen}) == len(chosen)
        for one in chosen:  # whoever goes gives something
            assert any(given_up([one]))
