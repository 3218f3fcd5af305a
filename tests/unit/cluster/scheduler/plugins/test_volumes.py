"""Volumes: where they can be had, who has them, and how many a node can take."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.scheduler.plugins.volume_binding import plan
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.storage.storage import SELECTED_NODE, Storage
from corral.model.kubernetes.volumes import find_volume
from tests.support.scheduling import ask, node, pod, snapshot, why

ZONE = "topology.kubernetes.io/zone"
NODES = [node("a", {ZONE: "1"}), node("b", {ZONE: "2"})]


def claim(name: str, volume: str = "", *, kind: str = "slow", size: str = "1Gi", **more: Any) -> dict[str, Any]:
    annotations = {"pv.kubernetes.io/bind-completed": "yes"} if volume else {}
    annotations |= more.pop("annotations", {})
    spec = {"storageClassName": kind, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    if volume:
        spec["volumeName"] = volume
    return {"metadata": {"name": name, "namespace": "default", "annotations": annotations}, "spec": {**spec, **more}}


def volume(name: str, zone: str = "", *, size: str = "1Gi", **more: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"storageClassName": "slow", "accessModes": ["ReadWriteOnce"], "capacity": {"storage": size}}
    if zone:
        term = {"matchExpressions": [{"key": ZONE, "operator": "In", "values": [zone]}]}
        spec["nodeAffinity"] = {"required": {"nodeSelectorTerms": [term]}}
    return {"metadata": {"name": name}, "spec": {**spec, **more}, "status": {"phase": "Available"}}


def storage(claims: Any = (), volumes: Any = (), **kind: Any) -> Storage:
    made = Storage()
    for one in claims:
        made.put(made.claims, None, one)
    for one in volumes:
        made.put(made.volumes, None, one)
    waits = {"volumeBindingMode": "WaitForFirstConsumer", "provisioner": "kubernetes.io/no-provisioner"}
    made.put(made.classes, None, {"metadata": {"name": "slow"}, **waits, **kind})
    return made


def using(*claims: str, name: str = "p", **more: Any) -> dict[str, Any]:
    volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    return pod(name, volumes=volumes, **more)


def test_a_pod_goes_where_its_volume_is() -> None:
    found = snapshot(NODES, storage=storage([claim("c", "v")], [volume("v", "2")]))
    assert ask(found, using("c")).node == "b"
    gone = snapshot(NODES, storage=storage([claim("c", "v")], [volume("v", "3")]))
    assert why(gone, using("c")) == "2 node(s) didn't match PersistentVolume's node affinity"
    lost = snapshot(NODES, storage=storage([claim("c", "v")]))
    assert why(lost, using("c")) == 'persistentvolume "v" not found'


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ([], 'persistentvolumeclaim "c" not found'),
        ([claim("c", kind="at-once")], "pod has unbound immediate PersistentVolumeClaims"),
        ([claim("c", kind="")], "pod has unbound immediate PersistentVolumeClaims"),
        ([{**claim("c"), "metadata": {"name": "c", "namespace": "default", "deletionTimestamp": "2026"}}],
         'persistentvolumeclaim "c" is being deleted'),
        ([{**claim("c", "v"), "status": {"phase": "Lost"}}],
         'persistentvolumeclaim "c" bound to non-existent persistentvolume "v"'),
    ],
)  # fmt: skip
def test_claims_with_which_no_node_will_do(claims: Any, text: str) -> None:
    assert why(snapshot(NODES, storage=storage(claims)), using("c")) == text


def test_an_ephemeral_volume_waits_for_its_claim() -> None:
    """It is made once the pod is there: that it is not yet is no mistake of anybody's."""
    mine = pod("p", volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {}}}}])
    text = 'waiting for ephemeral volume controller to create the persistentvolumeclaim "p-v"'
    assert why(snapshot(NODES, storage=storage()), mine) == text


def test_claims_that_wait_get_the_smallest_volume_that_will_do() -> None:
    volumes = [volume("large", "2", size="9Gi"), volume("small", "2", size="2Gi"), volume("tiny", "2", size="1Mi")]
    found = snapshot(NODES, storage=storage([claim("c")], volumes))
    assert ask(found, using("c")).node == "b"
    made = plan(Pod(using("c")), found.storage, found.nodes, found.nodes.row_of["b"])
    assert made is not None and [one["metadata"]["name"] for _, one in made.bind] == ["small"]
    found.storage.promise("small", "default/other")
    made = plan(Pod(using("c")), found.storage, found.nodes, found.nodes.row_of["b"])
    assert made is not None and [one["metadata"]["name"] for _, one in made.bind] == ["large"]
    assert why(snapshot(NODES, storage=storage([claim("c")])), using("c")) == (
        "2 node(s) didn't find available persistent volumes to bind"
    )


def test_two_claims_do_not_get_one_volume() -> None:
    found = snapshot(NODES, storage=storage([claim("c"), claim("d")], [volume("v", "1")]))
    assert not ask(found, using("c", "d")).node


def test_volumes_are_made_where_their_class_allows() -> None:
    topology = [{"matchLabelExpressions": [{"key": ZONE, "values": ["2"]}]}]
    found = snapshot(NODES, storage=storage([claim("c")], provisioner="x", allowedTopologies=topology))
    assert ask(found, using("c")).node == "b"
    made = plan(Pod(using("c")), found.storage, found.nodes, found.nodes.row_of["b"])
    assert made is not None and [one["metadata"]["name"] for one in made.provision] == ["c"]
    begun = claim("c", annotations={SELECTED_NODE: "a"})
    elsewhere = snapshot(NODES, storage=storage([begun], provisioner="x"))
    assert ask(elsewhere, using("c")).node == "a"


def _capacity(name: str, zone: str, **more: Any) -> dict[str, Any]:
    topology = {"nodeTopology": {"matchLabels": {ZONE: zone}}}
    return {"metadata": {"name": name, "namespace": "csi"}, "storageClassName": "slow", **topology, **more}


def _with_driver(*capacities: dict[str, Any], claims: Any = (), volumes: Any = (), watched: bool = True) -> Storage:
    made = storage(claims or [claim("c")], volumes, provisioner="lvm.example.com")
    made.put(made.drivers, None, {"metadata": {"name": "lvm.example.com"}, "spec": {"storageCapacity": watched}})
    for one in capacities:
        made.put(made.capacities, None, one)
    return made


def test_a_volume_is_made_where_its_driver_has_room() -> None:
    full, roomy = _capacity("one", "1", capacity="1Mi"), _capacity("two", "2", capacity="9Gi")
    assert ask(snapshot(NODES, storage=_with_driver(full, roomy)), using("c")).node == "b"
    text = "2 node(s) did not have enough free storage"
    assert why(snapshot(NODES, storage=_with_driver(full)), using("c")) == text
    assert why(snapshot(NODES, storage=_with_driver(_capacity("x", "2", capacity="9Gi", maximumVolumeSize="1Mi"))),
               using("c")) == text  # fmt: skip
    elsewhere = {**roomy, "storageClassName": "other"}
    assert why(snapshot(NODES, storage=_with_driver(elsewhere)), using("c")) == text
    nowhere = {key: value for key, value in roomy.items() if key != "nodeTopology"}
    assert why(snapshot(NODES, storage=_with_driver(nowhere)), using("c")) == text
    everywhere = {**roomy, "nodeTopology": {}}
    assert ask(snapshot(NODES[:1], storage=_with_driver(everywhere)), using("c")).node == "a"
    assert ask(snapshot(NODES[:1], storage=_with_driver(full, watched=False)), using("c")).node == "a"


def test_a_volume_that_is_there_needs_no_room() -> None:
    full = _capacity("one", "1", capacity="1Mi")
    found = snapshot(NODES, storage=_with_driver(full, volumes=[volume("v", "1")]))
    assert ask(found, using("c")).node == "a"
    both = _with_driver(full, claims=[claim("c"), claim("d")], volumes=[volume("v", "1")])
    assert why(snapshot(NODES, storage=both), using("c", "d")) == "2 node(s) did not have enough free storage"


@pytest.mark.parametrize(
    ("offered", "taken"),
    [
        ({}, True),
        ({"volumeMode": "Block"}, False),
        ({"accessModes": ["ReadOnlyMany"]}, False),
        ({"storageClassName": "other"}, False),
        ({"capacity": {"storage": "1023Mi"}}, False),
        ({"claimRef": {"namespace": "default", "name": "c"}}, True),
        ({"claimRef": {"namespace": "default", "name": "d"}}, False),
    ],
)
def test_which_volume_fits_a_claim(offered: dict[str, Any], taken: bool) -> None:
    found = find_volume(claim("c"), [volume("v", **offered)])
    assert (found is not None) == taken


def test_a_claim_of_one_pod_alone() -> None:
    only = claim("c", "v", accessModes=["ReadWriteOncePod"])
    found = snapshot(NODES, [using("c", name="q", on="a")], storage([only], [volume("v")]))
    text = "2 node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"
    assert why(found, using("c")) == text
    found.remove_pod("uid-default-q")
    assert ask(found, using("c")).node


def test_how_many_volumes_a_node_can_have() -> None:
    def csi(name: str) -> dict[str, Any]:
        return volume(name, csi={"driver": "d", "volumeHandle": name})

    made = storage([claim("c", "v"), claim("d", "w")], [csi("v"), csi("w")])
    limit = {"spec": {"drivers": [{"name": "d", "nodeID": "a", "allocatable": {"count": 1}}]}}
    made.put(made.csi_nodes, None, {"metadata": {"name": "a"}, **limit})
    found = snapshot([NODES[0]], [using("c", name="q", on="a")], made)
    assert why(found, using("d")) == "1 node(s) exceed max volume count"
    assert ask(found, using("c")).node == "a"  # it is there already
    found.put_node(NODES[1])
    assert ask(found, using("d")).node == "b"  # which says nothing of a limit


OLD = "failure-domain.beta.kubernetes.io/zone"


@pytest.mark.parametrize(
    ("labels", "nodes"),
    [
        ({ZONE: "2"}, "b"),
        ({ZONE: "0__2"}, "b"),  # a volume may be in several zones
        ({OLD: "2"}, "b"),  # by its first name
        ({ZONE: "9"}, ""),
        ({ZONE: "2", "topology.kubernetes.io/region": "x"}, ""),
        ({"other": "2"}, "a"),
    ],
)
def test_a_volume_that_is_labelled_with_its_zone(labels: dict[str, str], nodes: str) -> None:
    made = volume("v")
    made["metadata"]["labels"] = labels
    found = snapshot(NODES, storage=storage([claim("c", "v")], [made]))
    if nodes:
        assert ask(found, using("c")).node == nodes
    else:
        assert why(found, using("c")) == "2 node(s) had no available volume zone"
    anywhere = snapshot([node("a"), node("b")], storage=storage([claim("c", "v")], [made]))
    assert ask(anywhere, using("c")).node == "a"  # nodes that name no zone are one
