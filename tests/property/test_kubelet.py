"""Any pod whose containers end as they like: what the kubelet decides keeps its promises on the way."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.kubelet.lifecycle.ending import plan_endings
from corral.cluster.kubelet.lifecycle.restarts import SECOND, Backoff, next_backoff
from corral.cluster.kubelet.lifecycle.steps import plan_steps
from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.status.facts import Facts
from corral.cluster.kubelet.status.pod import plan_status

Object = dict[str, Any]

KINDS = st.sampled_from(["init", "sidecar", "main"])


@st.composite
def pods(draw: st.DrawFn) -> Object:
    kinds = draw(st.lists(KINDS, max_size=4))
    inits, mains = [], [{"name": "main", "image": "x"}]
    for n, kind in enumerate(kinds):
        one: Object = {"name": f"c{n}", "image": "x"}
        if kind == "main":
            mains.append(one)
        else:
            inits.append(one | ({"restartPolicy": "Always"} if kind == "sidecar" else {}))
    spec = {
        "containers": mains,
        "initContainers": inits,
        "restartPolicy": draw(st.sampled_from(["Always", "OnFailure", "Never"])),
    }
    return {"metadata": {"name": "p", "namespace": "d", "uid": "u"}, "spec": spec}


@given(pods(), st.data())
def test_the_way_of_a_pod(pod: Object, data: st.DataObject) -> None:
    """Nothing is started twice at a time, main containers not before init containers are done; phases go forward."""
    attempts: dict[str, list[Attempt]] = {}
    backoffs: dict[str, Backoff] = {}
    now, began, order = 1, False, ["Pending", "Running", "Succeeded", "Failed"]
    inits = [one["name"] for one in pod["spec"]["initContainers"] if "restartPolicy" not in one]
    mains = {one["name"] for one in pod["spec"]["containers"]}
    reached = 0
    for _ in range(12):
        running = [one for some in attempts.values() for one in some if one.running]
        view = View(now, "s", attempts, started=frozenset(one.id for one in running), backoffs=backoffs)
        steps = plan_steps(pod, view)
        status = plan_status(pod, Facts(view, over=steps.over and not running))
        place = order.index(status["phase"])
        assert place >= reached
        reached = place
        if steps.over:
            assert not steps.start
            assert set(plan_endings(pod, view)) <= {one.id for one in running}
        for one, number in steps.start:
            some = attempts.setdefault(one.name, [])
            assert not (some and some[-1].running)
            assert number == len(some)
            if one.name in mains and not began:
                assert all(attempts.get(name) and attempts[name][-1].code == 0 for name in inits)
            if some:
                assert now >= some[-1].finished
                backoffs[one.name] = next_backoff(backoffs.get(one.name), now)
            some.append(Attempt(f"{one.name}-{number}", one.name, number, "running", "s", started=now))
        began = began or any(name in attempts for name in mains)
        now += data.draw(st.integers(1, 400)) * SECOND
        alive = [name for name, some in attempts.items() if some[-1].running]
        for name in data.draw(st.lists(st.sampled_from(alive), unique=True)) if alive else []:
            code = data.draw(st.sampled_from([0, 1]))
            attempts[name][-1] = attempts[name][-1]._replace(state="ended", code=code, finished=now)
