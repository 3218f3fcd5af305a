"""What makes one node better than another: the numbers are upstream's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from corral.cluster.scheduler.engine import rules_of
from corral.cluster.scheduler.framework import Cycle, Hints, Rules
from corral.cluster.scheduler.plugins.registry import PLUGINS
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.pods.terms import PodTerm
from corral.cluster.scheduler.settings import Profile, Strategy
from corral.cluster.scheduler.snapshot.snapshot import Snapshot
from corral.model.kubernetes.selectors import of_labels
from tests.support.scheduling import ask, node, pod, snapshot

ZONE = "topology.kubernetes.io/zone"
MB = 1024 * 1024
APP = {"app": "a"}


def scores(
    plugin: str, found: Snapshot, asked: dict[str, Any], hints: Hints | None = None, profile: Profile | None = None
) -> dict[str, int] | None:
    rules: Rules = rules_of(profile or Profile())
    cycle = Cycle.over_all(found, Pod(asked), rules, hints or Hints())
    score = PLUGINS[plugin].score
    assert score is not None
    rows = np.sort(found.nodes.order)
    made = score(cycle, rows)
    return None if made is None else {found.nodes.names[row]: int(one) for row, one in zip(rows, made, strict=True)}


def test_the_emptier_node_is_better() -> None:
    nodes = [node("a", cpu="4", memory="10000Mi"), node("b", cpu="6", memory="10000Mi")]
    found = snapshot(nodes, [pod("q", on="b", requests={"cpu": "3", "memory": "5000Mi"})])
    asked = pod("p", requests={"cpu": "3000m", "memory": "5000Mi"})
    # a: ((4000-3000)*100/4000 + 50) / 2; b: nothing is left of either
    assert scores("NodeResourcesFit", found, asked) == {"a": 37, "b": 0}


def test_a_profile_may_fill_nodes_one_after_the_other() -> None:
    nodes = [node("a", cpu="4", memory="10000Mi"), node("b", cpu="6", memory="10000Mi")]
    found = snapshot(nodes, [pod("q", on="b", requests={"cpu": "3", "memory": "5000Mi"})])
    asked = pod("p", requests={"cpu": "3000m", "memory": "5000Mi"})
    full = Profile(strategy=Strategy("MostAllocated", (("cpu", 3), ("memory", 1), ("example.com/gpu", 9))))
    # a: (3 * 75 + 50) / 4; of GPUs the pod wants none, so they do not count
    assert scores("NodeResourcesFit", found, asked, profile=full) == {"a": 68, "b": 100}
    half = Profile(strategy=Strategy("RequestedToCapacityRatio", (("cpu", 1),), ((0, 0), (50, 100), (100, 0))))
    assert scores("NodeResourcesFit", found, asked, profile=half) == {"a": 50, "b": 0}


def test_pods_that_ask_for_nothing_count_a_little() -> None:
    found = snapshot([node("a", cpu="1", memory="2000Mi")], [pod("q", on="a")])
    # 100m of CPU and 200Mi of memory each: 80 % of both are left
    assert scores("NodeResourcesFit", found, pod("p")) == {"a": 80}


def test_even_use_of_both_resources() -> None:
    found = snapshot([node("a", cpu="4", memory="10000Mi"), node("b", cpu="6", memory="10000Mi")])
    asked = pod("p", requests={"cpu": "3000m", "memory": "5000Mi"})
    assert scores("NodeResourcesBalancedAllocation", found, asked) == {"a": 87, "b": 100}
    assert scores("NodeResourcesBalancedAllocation", found, pod("p")) is None


def test_taints_that_are_only_preferred() -> None:
    soft = [("k", "v", "PreferNoSchedule")]
    found = snapshot([node("a", taints=soft), node("b"), node("c", taints=[*soft, ("l", "", "PreferNoSchedule")])])
    assert scores("TaintToleration", found, pod("p")) == {"a": 50, "b": 100, "c": 0}
    tolerant = pod("p", tolerations=[{"key": "k", "operator": "Exists", "effect": "PreferNoSchedule"}])
    assert scores("TaintToleration", found, tolerant) == {"a": 100, "b": 100, "c": 0}
    assert scores("TaintToleration", snapshot([node("a")]), pod("p")) is None


def test_preferred_nodes() -> None:
    def wish(weight: int, value: str) -> dict[str, Any]:
        return {
            "weight": weight,
            "preference": {"matchExpressions": [{"key": "d", "operator": "In", "values": [value]}]},
        }

    wishes = {"preferredDuringSchedulingIgnoredDuringExecution": [wish(2, "x"), wish(8, "y")]}
    found = snapshot([node("a", {"d": "x"}), node("b", {"d": "y"}), node("c")])
    assert scores("NodeAffinity", found, pod("p", affinity={"nodeAffinity": wishes})) == {"a": 25, "b": 100, "c": 0}


def test_images_that_are_there() -> None:
    found = snapshot([node("a", images=[("web:1", 250 * MB)]), node("b")])
    # half of the nodes have it: 125 MB, of 23 to 1000
    assert scores("ImageLocality", found, pod("p")) == {"a": 10, "b": 0}
    assert scores("ImageLocality", snapshot([node("a")]), pod("p")) is None


@pytest.mark.parametrize(("weight", "expected"), [(5, {"a": 100, "b": 0, "c": 0}), (-5, {"a": 0, "b": 100, "c": 100})])
def test_wishes_to_be_near_or_apart(weight: int, expected: dict[str, int]) -> None:
    term = {"topologyKey": ZONE, "labelSelector": {"matchLabels": APP}}
    kind = "podAffinity" if weight > 0 else "podAntiAffinity"
    rule = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": abs(weight), "podAffinityTerm": term}]}
    nodes = [node("a", {ZONE: "1"}), node("b", {ZONE: "2"}), node("c")]
    asked = pod("p", affinity={kind: rule})
    assert scores("InterPodAffinity", snapshot(nodes, [pod("q", APP, on="a")]), asked) == expected
    # and the other way round: the pod that runs has the wish
    wishing = pod("q", on="a", affinity={kind: rule})
    assert scores("InterPodAffinity", snapshot(nodes, [wishing]), pod("p", APP)) == expected
    assert scores("InterPodAffinity", snapshot(nodes, [wishing]), pod("p")) is None


def test_a_running_pods_required_affinity_draws_others() -> None:
    term = {"topologyKey": ZONE, "labelSelector": {"matchLabels": APP}}
    rule = {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
    found = snapshot(
        [node("a", {ZONE: "1"}), node("b", {ZONE: "2"})], [pod("q", APP, on="b", affinity={"podAffinity": rule})]
    )
    assert scores("InterPodAffinity", found, pod("p", APP)) == {"a": 0, "b": 100}


def test_softly_spread() -> None:
    rule = {"topologyKey": ZONE, "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}
    asked = pod("p", APP, topologySpreadConstraints=[{**rule, "labelSelector": {"matchLabels": APP}}])
    nodes = [node("a", {ZONE: "1"}), node("b", {ZONE: "2"}), node("c")]
    found = snapshot(nodes, [pod("q", APP, on="a"), pod("r", APP, on="a"), pod("s", APP, on="b")])
    # of two zones: weight ln 4; 2 and 1 pods are 3 and 1 after rounding; the best is 100*(3+1-1)/3
    assert scores("PodTopologySpread", found, asked) == {"a": 33, "b": 100, "c": 0}


def test_spread_by_default_over_hosts_and_zones() -> None:
    hints = Hints(PodTerm("", of_labels(APP), frozenset(("default",))))
    nodes = [node("a", {ZONE: "1"}), node("b", {ZONE: "1"}), node("c", {ZONE: "2"})]
    found = snapshot(nodes, [pod("q", APP, on="a")])
    made = scores("PodTopologySpread", found, pod("p", APP), hints)
    assert made is not None and made["c"] == 100 and made["a"] < made["b"] < made["c"]
    assert scores("PodTopologySpread", found, pod("p", APP)) is None
    assert ask(found, pod("p", APP), hints=hints).node == "c"


def test_weights_and_plugins_of_a_profile() -> None:
    found = snapshot([node("a", taints=[("k", "v", "PreferNoSchedule")]), node("b", cpu="2")])
    asked = pod("p", requests={"cpu": "1"})
    assert ask(found, asked).node == "b"
    fuller = Profile(no_score=frozenset(("TaintToleration",)))
    assert ask(found, asked, fuller).node == "a"
    assert ask(found, asked, Profile(weights={"NodeResourcesFit": 100})).node == "a"
    assert ask(found, pod("p", requests={"cpu": "9"}), Profile(no_filter=frozenset(("NodeResourcesFit",)))).node
