"""Whatever pods ask for: what a node gives them together it has."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.kubelet.containers.limits import pod_request
from corral.cluster.kubelet.resizing.plan import asked, plan_between, plan_pending, remembered, with_allotted
from corral.model.container import Resources

Object = dict[str, Any]

CPU, MEMORY = 4000, 1000
AMOUNTS = st.fixed_dictionaries({"cpu": st.integers(0, 5000), "memory": st.integers(0, 1200)})


def pod(*parts: dict[str, int]) -> Object:
    requests = [{"cpu": f"{one['cpu']}m", "memory": str(one["memory"])} for one in parts]
    return {"spec": {"containers": [{"name": f"c{n}", "resources": {"requests": r}} for n, r in enumerate(requests)]}}


@given(st.lists(st.lists(AMOUNTS, min_size=2, max_size=2), min_size=1, max_size=4), st.data())
def test_nothing_is_given_twice(wishes: list[list[dict[str, int]]], data: st.DataObject) -> None:
    given_: dict[int, Object] = {n: asked(pod(*({"cpu": 0, "memory": 0},) * 2)) for n in range(len(wishes))}
    pods = {n: pod(*wish) for n, wish in enumerate(wishes)}
    node = {"cpu": f"{CPU}m", "memory": str(MEMORY)}
    for n in data.draw(st.permutations(list(pods))):
        others = [with_allotted(pods[m], given_[m]) for m in pods if m != n]
        pending = plan_pending(pods[n], others, node)
        alone = pod_request(pods[n], "cpu") <= CPU and pod_request(pods[n], "memory") <= MEMORY
        assert (pending is not None and pending.reason == "Infeasible") == (not alone)
        if pending is None:
            given_[n] = asked(pods[n])
        running = [with_allotted(pods[m], given_[m]) for m in pods]
        assert sum(pod_request(one, "cpu") for one in running) <= CPU
        assert sum(pod_request(one, "memory") for one in running) <= MEMORY


@given(st.lists(AMOUNTS, min_size=1, max_size=3), st.lists(AMOUNTS, min_size=1, max_size=3))
def test_what_the_status_says_was_given(before: list[dict[str, int]], after: list[dict[str, int]]) -> None:
    old, new = pod(*before), pod(*after)
    statuses = [{"name": one["name"], "resources": one["resources"]} for one in old["spec"]["containers"]]
    known = remembered({**new, "status": {"containerStatuses": statuses}})
    for name, resources in known.items():
        assert resources == asked(old).get(name, asked(new)[name])
    assert asked(with_allotted(new, known)) == known


LIMITS = st.builds(Resources, cpu_shares=st.integers(2, 99), memory=st.integers(0, 99), nano_cpus=st.integers(0, 99))


@given(LIMITS, LIMITS)
def test_between_two_limits_both_fit(before: Resources, after: Resources) -> None:
    between = plan_between(before, after)
    for name in ("memory", "nano_cpus"):
        most, parts = getattr(between, name), [getattr(one, name) for one in (before, after)]
        assert most == 0 if 0 in parts else most >= max(parts)
