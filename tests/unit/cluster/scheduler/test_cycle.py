"""What a decision is beyond its plugins."""

from __future__ import annotations

import numpy as np

from corral.cluster.scheduler.cycle import best, decide, wanted_nodes
from corral.cluster.scheduler.engine import rules_of
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.settings import Profile
from tests.support.scheduling import ask, node, pod, snapshot


def test_a_big_cluster_is_looked_at_in_turns() -> None:
    found = snapshot([node(f"n{number}") for number in range(400)])
    rules, start, seen = rules_of(Profile(percentage=25)), 0, set()
    for number in range(4):
        made = decide(found, Pod(pod(f"p{number}")), rules, lambda below: 0, start)
        assert made.found == wanted_nodes(400, 25) == 100
        seen.add(made.next)
        start = made.next
    assert seen == {100, 200, 300, 0}


def test_equals_are_drawn() -> None:
    rows, equal = np.array([4, 5, 6]), np.array([1.0, 7.0, 7.0])
    assert [best(rows, equal, lambda below, n=n: n % below) for n in range(3)] == [5, 6, 5]


def test_zones_take_turns_in_the_order_of_nodes() -> None:
    zone = "topology.kubernetes.io/zone"
    found = snapshot([node(f"n{number}", {zone: "ab"[number // 2]}) for number in range(4)])
    assert [found.nodes.names[row] for row in found.nodes.order] == ["n0", "n2", "n1", "n3"]


def test_room_is_kept_for_who_waits_for_it() -> None:
    found = snapshot([node("a"), node("b", cpu="2")])
    waits = Pod(pod("w", requests={"cpu": "3"}, priority=10))
    assert ask(found, pod("p", requests={"cpu": "2"})).node == "a"
    assert ask(found, pod("p", requests={"cpu": "2"}), nominated=[(waits, "a")]).node == "b"
    refused = ask(found, pod("p", requests={"cpu": "3"}), nominated=[(waits, "a")])
    assert refused.diagnosis.message() == "0/2 nodes are available: 2 Insufficient cpu."
    assert found.nodes.requested[0].sum() == 0


def test_a_pod_gets_the_node_it_was_promised() -> None:
    found = snapshot([node("a"), node("b", cpu="64")])
    assert ask(found, pod("p")).node == "b"
    assert ask(found, pod("p", status={"nominatedNodeName": "a"})).node == "a"
