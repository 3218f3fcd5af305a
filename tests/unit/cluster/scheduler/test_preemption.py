"""Who must go."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.scheduler.engine import rules_of
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.preemption import Preemption, Question, plan_preemption
from corral.cluster.scheduler.settings import Profile
from corral.cluster.scheduler.snapshot.snapshot import Snapshot
from tests.support.scheduling import ask, node, pod, snapshot


def small(name: str, on: str, cpu: str = "2", priority: int = 0, **more: Any) -> dict[str, Any]:
    return pod(name, {"app": name}, on=on, requests={"cpu": cpu}, priority=priority, **more)


def big(cpu: str = "4", priority: int = 10, **more: Any) -> dict[str, Any]:
    return pod("big", requests={"cpu": cpu}, priority=priority, **more)


def preempt(found: Snapshot, asked: dict[str, Any], budgets: Any = (), rivals: Any = ()) -> Preemption:
    before = found.nodes.requested.copy()
    diagnosis = ask(found, asked).diagnosis
    question = Question(found, Pod(asked), rules_of(Profile()), diagnosis, budgets, rivals)
    made = plan_preemption(question, lambda below: 0)
    assert (found.nodes.requested == before).all()  # all that was for the sake of argument
    return made


def victims(made: Preemption) -> tuple[str, list[str]]:
    assert made.chosen is not None, made
    return made.chosen.node, [one.name for one in made.chosen.victims]


def budget(app: str, allowed: int) -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": app}}}
    return {"metadata": {"name": app, "namespace": "default"}, "spec": spec, "status": {"disruptionsAllowed": allowed}}


def test_as_few_as_need_be_go_the_least_important_first() -> None:
    found = snapshot([node("a")], [small("x", "a", "1", 5), small("y", "a", "2", 3), small("z", "a", "1", 1)])
    assert victims(preempt(found, big("2"))) == ("a", ["y"])  # x and z may come back, y not beside them
    assert victims(preempt(found, big("1"))) == ("a", ["z"])
    assert victims(preempt(found, big("4"))) == ("a", ["x", "y", "z"])


def test_nobody_as_important_goes() -> None:
    found = snapshot([node("a")], [small("x", "a", "4", 10)])
    made = preempt(found, big())
    assert made.chosen is None and made.clears
    assert made.message == ("preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.")


def test_why_it_does_not_help() -> None:
    found = snapshot([node("a"), node("b", unschedulable=True)], [small("x", "a", "3"), small("y", "a", "1", 99)])
    assert preempt(found, big("4")).message == (
        "preemption: 0/2 nodes are available: 1 Insufficient cpu, 1 Preemption is not helpful for scheduling."
    )


def test_budgets_are_kept_where_they_can_be() -> None:
    nodes = [node("a"), node("b")]
    found = snapshot(nodes, [small("x", "a", "4"), small("y", "b", "4")])
    assert victims(preempt(found, big(), [budget("x", 0)])) == ("b", ["y"])
    assert victims(preempt(found, big(), [budget("x", 0), budget("y", 1)])) == ("b", ["y"])
    both = preempt(found, big(), [budget("x", 0), budget("y", 0)])
    assert both.chosen is not None and both.chosen.violations == 1
    # on one node the guarded come back first
    shared = snapshot([node("a")], [small("x", "a", priority=1), small("y", "a", priority=5)])
    assert victims(preempt(shared, big("2"), [budget("x", 0)])) == ("a", ["y"])


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ([small("x", "a", "4", 5), small("y", "b", "4", 3)], "b"),  # the lower of the highest priorities
        ([small("x", "a", "4", 3), small("y", "b", "2", 3), small("z", "b", "2", 3)], "a"),  # fewer, of a smaller sum
        (
            [
                small("x", "a", "4", status={"startTime": "2026-01-01T00:00:00Z"}),
                small("y", "b", "4", status={"startTime": "2026-01-02T00:00:00Z"}),
            ],
            "b",  # who was started last
        ),
    ],
)
def test_where_the_least_harm_is_done(there: list[Any], chosen: str) -> None:
    assert victims(preempt(snapshot([node("a"), node("b")], there), big()))[0] == chosen


def test_who_may_not() -> None:
    found = snapshot([node("a")], [small("x", "a", "4")])
    never = preempt(found, big(preemptionPolicy="Never"))
    assert (never.message, never.clears) == ("preemption: not eligible due to preemptionPolicy=Never.", False)
    condition = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    leaving = pod("x", on="a", requests={"cpu": "4"}, metadata=going, status={"conditions": [condition]})
    again = preempt(snapshot([node("a")], [leaving]), big(status={"nominatedNodeName": "a"}))
    assert again.message == "preemption: not eligible due to a terminating pod on the nominated node."


def test_rules_about_other_pods_count_too() -> None:
    apart = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "x"}}}
    rule = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}}
    found = snapshot([node("a")], [small("x", "a", "1"), small("y", "a", "1")])
    assert victims(preempt(found, big("1", affinity=rule))) == ("a", ["x"])


def test_room_that_a_rival_waits_for_cannot_be_had() -> None:
    found = snapshot([node("a"), node("b")], [small("x", "a", "4"), small("y", "b", "4", 1)])
    rival = Pod(pod("r", requests={"cpu": "4"}, priority=10))
    assert victims(preempt(found, big()))[0] == "a"
    assert victims(preempt(found, big(), rivals=[(rival, "a")]))[0] == "b"
