"""Who goes first, and who is not taken."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.kubelet.eviction.messages import plan_message
from corral.cluster.kubelet.eviction.pressure import Observed
from corral.cluster.kubelet.eviction.ranking import MIRROR, Use, plan_ranking, plan_refusal, requested
from corral.cluster.kubelet.eviction.thresholds import Amount, Threshold

Object = dict[str, Any]


def pod(uid: str, asks: str = "", priority: int = 0, **notes: str) -> Object:
    resources = {"requests": {"memory": asks, "ephemeral-storage": asks}} if asks else {}
    spec = {"priority": priority, "containers": [{"name": "main", "resources": resources}]}
    return {"metadata": {"uid": uid, "annotations": notes}, "spec": spec}


def names(pods: list[Object]) -> str:
    return "".join(one["metadata"]["uid"] for one in pods)


def test_memory_and_disk() -> None:
    pods = [pod("a", "100"), pod("b", "100"), pod("c", "100", 5), pod("d"), pod("e", "10", 2_000_000_000)]
    uses = {"a": Use(50), "b": Use(150), "c": Use(500), "d": Use(300), "e": Use(9000)}
    assert names(plan_ranking(pods, uses, "memory")) == names(plan_ranking(pods, uses, "ephemeral-storage")) == "dbca"


def test_processes() -> None:
    pods = [pod("a"), pod("b"), pod("c", priority=5)]
    assert names(plan_ranking(pods, {"a": Use(2), "b": Use(9), "c": Use(99)}, "pids")) == "bac"


def test_what_cannot_be_measured_goes_first() -> None:
    assert names(plan_ranking([pod("a"), pod("b", priority=9)], {"a": Use(1 << 40)}, "memory")) == "ba"


def test_requests_of_init_containers() -> None:
    asks = [{"resources": {"requests": {"memory": amount}}} for amount in ("10", "70", "5")]
    spec = {"containers": asks[:1], "initContainers": [asks[1], {**asks[2], "restartPolicy": "Always"}]}
    assert requested({"spec": spec}, "memory") == 70 and requested({"spec": spec}, "inodes") == 0


@pytest.mark.parametrize(
    ("asked", "conditions", "refused"),
    [
        (pod("a"), ["MemoryPressure"], True),
        (pod("a", "1"), ["MemoryPressure"], False),
        (pod("a", "1"), ["DiskPressure"], True),
        (pod("a", "1"), ["DiskPressure", "MemoryPressure"], True),
        (pod("a", priority=2_000_000_000), ["DiskPressure"], False),
        (pod("a", **{MIRROR: "x"}), ["PIDPressure"], False),
    ],
)
def test_who_is_taken(asked: Object, conditions: list[str], refused: bool) -> None:
    said = plan_refusal(asked, conditions)
    assert said == (f"The node had condition: [{' '.join(sorted(conditions))}]. " if refused else "")


def test_a_pod_that_tolerates_the_taint_is_taken() -> None:
    one = pod("a")
    one["spec"]["tolerations"] = [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]
    assert plan_refusal(one, ["MemoryPressure"]) == ""


def test_the_message_names_who_used_more_than_was_asked() -> None:
    threshold, observed = Threshold("nodefs.available", Amount(part=0.1)), Observed(1 << 20, 100 << 20)
    said = plan_message(pod("a", "1Ki"), threshold, observed, Use(4096, {"main": 4096}))
    assert said == (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 10Mi, available: 1Mi. "
        "Container main was using 4Ki, request is 1Ki, has larger consumption of ephemeral-storage. "
    )
    assert "Container" not in plan_message(pod("a", "1Mi"), threshold, observed, Use(4096, {"main": 4096}))
    assert "Container" not in plan_message(pod("a"), Threshold("pid.available", Amount(9)), Observed(1, 2), None)
