"""Each reason to refuse a node, in upstream's words."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.scheduler.settings import Profile
from tests.support.scheduling import ask, node, pod, snapshot, why

ZONE = "topology.kubernetes.io/zone"


def near(key: str, app: str, **more: Any) -> dict[str, Any]:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **more}


def required(kind: str, *terms: dict[str, Any]) -> dict[str, Any]:
    return {"affinity": {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}}


def nodes_affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    rule = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": list(terms)}}
    return {"affinity": {"nodeAffinity": rule}}


def test_no_nodes_at_all() -> None:
    assert ask(snapshot([]), pod("p")).diagnosis.message() == "no nodes available to schedule pods"


def test_messages_count_and_sort_reasons() -> None:
    found = snapshot([node("a", taints=[("k", "v", "NoSchedule")]), node("b"), node("c")])
    made = ask(found, pod("p", requests={"cpu": "9"}))
    assert made.diagnosis.message() == (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient cpu."
    )


def test_a_cordoned_node_takes_who_tolerates_it() -> None:
    found = snapshot([node("a", unschedulable=True)])
    assert why(found, pod("p")) == "1 node(s) were unschedulable"
    tolerates = [{"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}]
    assert ask(found, pod("p", tolerations=tolerates)).node == "a"


@pytest.mark.parametrize(
    ("effect", "tolerations", "taken"),
    [
        ("NoSchedule", [], False),
        ("NoExecute", [], False),
        ("PreferNoSchedule", [], True),
        ("NoSchedule", [{"key": "k", "operator": "Equal", "value": "v"}], True),
        ("NoSchedule", [{"key": "k", "operator": "Equal", "value": "w"}], False),
        ("NoSchedule", [{"operator": "Exists"}], True),
        ("NoSchedule", [{"key": "k", "operator": "Exists", "effect": "NoExecute"}], False),
    ],
)
def test_taints(effect: str, tolerations: list[Any], taken: bool) -> None:
    found = snapshot([node("a", taints=[("k", "v", effect)])])
    assert bool(ask(found, pod("p", tolerations=tolerations)).node) == taken


@pytest.mark.parametrize(
    ("expression", "taken"),
    [
        ({"operator": "In", "values": ["2", "3"]}, {"b"}),
        ({"operator": "NotIn", "values": ["2"]}, {"a", "c"}),
        ({"operator": "Exists"}, {"a", "b"}),
        ({"operator": "DoesNotExist"}, {"c"}),
        ({"operator": "Gt", "values": ["1"]}, {"b"}),
        ({"operator": "Lt", "values": ["2"]}, {"a"}),
    ],
)
def test_node_affinity(expression: Any, taken: set[str]) -> None:
    for one in (node("a", {"n": "1"}), node("b", {"n": "2"}), node("c")):
        asked = pod("p", **nodes_affinity({"matchExpressions": [{"key": "n", **expression}]}))
        made = ask(snapshot([one]), asked)
        assert (made.node in taken) == bool(made.node)
        assert bool(made.node) == (one["metadata"]["name"] in taken)


def test_node_selectors_and_terms() -> None:
    found = snapshot([node("a", {"disk": "ssd"}), node("b")])
    assert ask(found, pod("p", nodeSelector={"disk": "ssd"})).node == "a"
    assert why(found, pod("p", nodeSelector={"disk": "hdd"})) == "2 node(s) didn't match Pod's node affinity/selector"
    nothing = pod("p", **nodes_affinity({}))  # a term without requirements selects no node
    assert why(found, nothing) == "2 node(s) didn't match Pod's node affinity/selector"
    either = nodes_affinity(
        {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["hdd"]}]},
        {"matchExpressions": [{"key": "disk", "operator": "DoesNotExist"}]},
    )
    assert ask(found, pod("p", **either)).node == "b"


def test_rules_that_name_their_node_leave_the_others_out() -> None:
    found = snapshot([node("a", cpu="1"), node("b")])
    named = nodes_affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]})
    assert ask(found, pod("p", **named)).node == "a"
    assert why(found, pod("p", requests={"cpu": "2"}, **named)) == (
        "1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]"
    )


def test_affinity_that_the_profile_adds() -> None:
    found = snapshot([node("a"), node("b", {"pool": "x"})])
    terms = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "pool", "operator": "Exists"}]}]}
    profile = Profile(added_affinity={"requiredDuringSchedulingIgnoredDuringExecution": terms})
    assert ask(found, pod("p"), profile).node == "b"


@pytest.mark.parametrize(
    ("port", "taken"),
    [
        ({"hostPort": 80}, False),
        ({"hostPort": 81}, True),
        ({"hostPort": 80, "protocol": "UDP"}, True),
        ({"hostPort": 80, "hostIP": "10.0.0.2"}, True),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, False),
    ],
)
def test_ports_of_the_host(port: Any, taken: bool) -> None:
    found = snapshot([node("a")], [pod("q", on="a", ports=[{"hostPort": 80, "hostIP": "10.0.0.1"}])])
    made = ask(found, pod("p", ports=[port]))
    assert bool(made.node) == taken
    if not taken:
        assert made.diagnosis.failures[0].reason == "node(s) didn't have free ports for the requested pod ports"


def test_resources() -> None:
    found = snapshot([node("a", pods="2", gpu="1")], [pod("q", on="a", requests={"cpu": "3", "gpu": "1"})])
    assert ask(found, pod("p", requests={"cpu": "1"})).node == "a"
    assert why(found, pod("p", requests={"cpu": "1001m", "gpu": "1", "memory": "9Gi"})) == (
        "1 Insufficient cpu, 1 Insufficient gpu, 1 Insufficient memory"
    )
    assert why(found, pod("p", requests={"example.com/x": "1"})) == "1 Insufficient example.com/x"
    full = snapshot([node("a", pods="1")], [pod("q", on="a")])
    assert why(full, pod("p", requests={"cpu": "5"})) == "1 Insufficient cpu, 1 Too many pods"


def test_what_a_node_never_has_cannot_be_helped_by_driving_pods_out() -> None:
    found = snapshot([node("a"), node("b", cpu="9")], [pod("q", on="b", requests={"cpu": "8"})])
    diagnosis = ask(found, pod("p", requests={"cpu": "5"})).diagnosis
    possible = diagnosis.resolvable(found.nodes.top)
    assert [found.nodes.names[row] for row in possible.nonzero()[0]] == ["b"]


def spread(skew: int = 1, key: str = ZONE, **more: Any) -> dict[str, Any]:
    rule = {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": "DoNotSchedule"}
    return {"topologySpreadConstraints": [{**rule, "labelSelector": {"matchLabels": {"app": "a"}}, **more}]}


APP = {"app": "a"}


def test_spreading_over_zones() -> None:
    found = snapshot(
        [node("a", {ZONE: "1"}), node("b", {ZONE: "2"}), node("c")],
        [pod("q", APP, on="a"), pod("r", APP, on="a", namespace="other"), pod("s", {"app": "b"}, on="b")],
    )
    assert ask(found, pod("p", APP, **spread())).node == "b"
    found.put_pod(found.pods["uid-default-q"][0], "a")
    full = pod("p", APP, requests={"cpu": "4"}, **spread())
    busy = snapshot(
        [node("a", {ZONE: "1"}), node("b", {ZONE: "2"}), node("c")],
        [pod("q", APP, on="a"), pod("s", on="b", requests={"cpu": "1"})],
    )
    assert why(busy, full) == (
        "1 Insufficient cpu, 1 node(s) didn't match pod topology spread constraints, "
        "1 node(s) didn't match pod topology spread constraints (missing required label)"
    )


def test_spreading_counts_neither_who_goes_nor_nodes_that_do_not_match() -> None:
    nodes = [node("a", {ZONE: "1", "pool": "x"}), node("b", {ZONE: "2"})]
    going = pod("q", APP, on="a", metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    selected = {"nodeSelector": {"pool": "x"}}
    assert ask(snapshot(nodes, [going]), pod("p", APP, **selected, **spread())).node == "a"
    running = pod("q", APP, on="a")
    assert ask(snapshot(nodes, [running]), pod("p", APP, **selected, **spread())).node == "a"  # one zone alone counts
    ignoring = spread(nodeAffinityPolicy="Ignore")
    assert not ask(snapshot(nodes, [running]), pod("p", APP, **selected, **ignoring)).node
    tainted = [nodes[0], node("b", {ZONE: "2"}, taints=[("k", "", "NoSchedule")])]
    assert not ask(snapshot(tainted, [running]), pod("p", APP, **spread())).node
    assert ask(snapshot(tainted, [running]), pod("p", APP, **spread(nodeTaintsPolicy="Honor"))).node == "a"


def test_spreading_over_fewer_domains_than_wanted() -> None:
    found = snapshot([node("a", {ZONE: "1"})], [pod("q", APP, on="a")])
    assert ask(found, pod("p", APP, **spread())).node == "a"
    assert not ask(found, pod("p", APP, **spread(minDomains=2))).node


def test_spreading_by_keys_of_the_pods_own_labels() -> None:
    old, new = {**APP, "hash": "1"}, {**APP, "hash": "2"}
    found = snapshot([node("a", {ZONE: "1"}), node("b", {ZONE: "2"})], [pod("q", old, on="b"), pod("r", new, on="a")])
    assert ask(found, pod("p", new, **spread(matchLabelKeys=["hash"]))).node == "b"


def test_pods_that_want_to_be_near_others() -> None:
    found = snapshot([node("a", {ZONE: "1"}), node("b", {ZONE: "2"}), node("c", {ZONE: "2"})], [pod("q", APP, on="b")])
    asked = pod("p", {"app": "b"}, requests={"cpu": "1"}, **required("podAffinity", near(ZONE, "a")))
    assert ask(found, asked).node in ("b", "c")
    alone = pod("p", {"app": "b"}, **required("podAffinity", near(ZONE, "z")))
    assert why(found, alone) == "3 node(s) didn't match pod affinity rules"
    first = pod("p", {"app": "z"}, **required("podAffinity", near(ZONE, "z")))
    assert ask(found, first).node  # the first of its group may go anywhere
    both = pod("p", {"app": "b"}, **required("podAffinity", near(ZONE, "a"), near(ZONE, "b")))
    assert not ask(found, both).node


def test_pods_that_want_to_be_apart() -> None:
    found = snapshot([node("a", {ZONE: "1"})], [pod("q", APP, on="a")])
    asked = pod("p", {"app": "b"}, **required("podAntiAffinity", near(ZONE, "a")))
    assert why(found, asked) == "1 node(s) didn't match pod anti-affinity rules"
    shy = pod("q", {"app": "c"}, on="a", **required("podAntiAffinity", near(ZONE, "b")))
    other = snapshot([node("a", {ZONE: "1"}), node("b")], [shy])
    assert ask(other, pod("p", {"app": "b"})).node == "b"
    assert why(snapshot([node("a", {ZONE: "1"})], [shy]), pod("p", {"app": "b"})) == (
        "1 node(s) didn't satisfy existing pods anti-affinity rules"
    )


def test_affinity_to_pods_of_other_namespaces() -> None:
    found = snapshot([node("a"), node("b")], [pod("q", APP, on="b", namespace="other")])
    host = "kubernetes.io/hostname"
    assert not ask(found, pod("p", **required("podAffinity", near(host, "a")))).node
    assert ask(found, pod("p", **required("podAffinity", near(host, "a", namespaces=["other"])))).node == "b"
    assert ask(found, pod("p", **required("podAffinity", near(host, "a", namespaceSelector={})))).node == "b"
    team = near(host, "a", namespaceSelector={"matchLabels": {"team": "x"}})
    assert not ask(found, pod("p", **required("podAffinity", team))).node
    found.put_namespace("other", {"team": "x"})
    assert ask(found, pod("p", **required("podAffinity", team))).node == "b"


def test_keys_of_labels_that_must_or_must_not_be_the_same() -> None:
    found = snapshot([node("a"), node("b")], [pod("q", {**APP, "v": "1"}, on="a"), pod("r", {**APP, "v": "2"}, on="b")])
    host = "kubernetes.io/hostname"
    mine = {**APP, "v": "2"}
    same = near(host, "a", matchLabelKeys=["v"])
    assert ask(found, pod("p", mine, **required("podAffinity", same))).node == "b"
    other = near(host, "a", mismatchLabelKeys=["v"])
    assert ask(found, pod("p", mine, **required("podAffinity", other))).node == "a"


def test_claims_of_devices() -> None:
    asked = pod("p", resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}])
    found = snapshot([node("a"), node("b")])
    assert why(found, asked) == 'could not find ResourceClaim "default/gpu"'
    request = {"name": "r", "exactly": {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}}
    about = {"name": "gpu", "namespace": "default", "uid": "c"}
    claim = {"metadata": about, "spec": {"devices": {"requests": [request]}}, "status": {}}
    found.devices.put_claim(None, claim)
    assert why(found, asked) == "request r: device class gpu does not exist"
    found.devices.put_class(None, {"metadata": {"name": "gpu"}, "spec": {}})
    assert why(found, asked) == "2 cannot allocate all claims"
    spec = {"driver": "d", "nodeName": "b", "pool": {"name": "b", "resourceSliceCount": 1}, "devices": [{"name": "x"}]}
    found.devices.put_slice(None, {"metadata": {"name": "s"}, "spec": spec})
    assert ask(found, asked).node == "b"
    plan = found.devices.plan(asked, found.objects["b"])
    assert plan is not None
    found.devices.promise(plan)  # what is given away is nobody else's, written or not
    other = pod("q", resourceClaims=[{"name": "gpu", "resourceClaimName": "other"}])
    found.devices.put_claim(None, {**claim, "metadata": {**about, "name": "other", "uid": "o"}})
    assert why(found, other) == "2 cannot allocate all claims"
    assert why(found, asked) == "resource claim default/gpu is in the process of being allocated"
    found.devices.take_back(plan)
    assert ask(found, other).node == "b"
    field = {"key": "metadata.name", "operator": "In", "values": ["a"]}
    allocation = {"nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]}, "devices": {"results": []}}
    found.devices.put_claim(claim, {**claim, "status": {"allocation": allocation}})
    assert ask(found, asked).node == "a"
    narrow = pod("n", nodeSelector={"kubernetes.io/hostname": "b"}, resourceClaims=asked["spec"]["resourceClaims"])
    assert "resourceclaim not available on the node" in why(found, narrow)


def test_claims_that_are_made_for_a_pod_are_waited_for() -> None:
    asked = pod("p", resourceClaims=[{"name": "gpu", "resourceClaimTemplateName": "gpu"}])
    assert why(snapshot([node("a")]), asked) == 'pod "default/p": ResourceClaim not created yet'
