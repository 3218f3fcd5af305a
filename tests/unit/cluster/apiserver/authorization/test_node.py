"""Nodes: what their pods need, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.apiserver.attributes import Attributes, User
from corral.cluster.apiserver.authorization.decision import Decision
from corral.cluster.apiserver.authorization.node import Node
from corral.cluster.apiserver.authorization.relations import Relations
from tests.support.lookup import MemoryLookup, named

A = User("system:node:a", groups=("system:nodes",))


def pod(name: str, node: str = "a", **spec: Any) -> dict[str, Any]:
    return named(name, "d", spec={"nodeName": node, "containers": [], **spec})


def ask(verb: str, resource: str, name: str = "", namespace: str = "d", who: User = A, fields: str = "") -> Attributes:
    group, plural, *sub = resource.split("/")
    group = "" if group == "core" else group
    return Attributes(who, verb, group, "v1", plural, "".join(sub), namespace, name, field_selector=fields)


def no(reason: str) -> Decision:
    return Decision(False, reason)


@pytest.fixture
def lookup() -> MemoryLookup:
    found = MemoryLookup()
    environment = [
        {"name": "E", "valueFrom": {"secretKeyRef": {"name": "env-secret"}}},
        {"name": "F", "valueFrom": {"configMapKeyRef": {"name": "env-map"}}},
    ]
    projected = {"sources": [{"secret": {"name": "projected"}}, {"configMap": {"name": "projected-map"}}]}
    volumes = [
        {"name": "v", "secret": {"secretName": "volume"}},
        {"name": "p", "projected": projected},
        {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "e", "ephemeral": {}},
    ]
    containers = [{"env": environment, "envFrom": [{"secretRef": {"name": "from"}}]}]
    named_alone = {"imagePullSecrets": [{"name": "pull"}], "resourceClaims": [{"resourceClaimName": "gpu"}]}
    found.put("", "pods", pod("p", containers=containers, volumes=volumes, serviceAccountName="web", **named_alone))
    csi = {"nodePublishSecretRef": {"name": "csi", "namespace": "storage"}}
    volume = {"claimRef": {"namespace": "d", "name": "claim"}, "csi": csi}
    found.put("", "persistentvolumes", named("volume", spec=volume))
    found.put("storage.k8s.io", "volumeattachments", named("attached", spec={"nodeName": "a"}))
    return found


@pytest.fixture
def node(lookup: MemoryLookup) -> Node:
    return Node(Relations(lookup))


OWN = [
    *(("core/secrets", name) for name in ("env-secret", "volume", "projected", "from", "pull")),
    *(("core/configmaps", name) for name in ("env-map", "projected-map")),
    ("core/persistentvolumeclaims", "claim"),
    ("core/persistentvolumeclaims", "p-e"),
    ("core/persistentvolumes", "volume"),
    ("core/pods", "p"),
    ("core/serviceaccounts", "web"),
    ("resource.k8s.io/resourceclaims", "gpu"),
    ("storage.k8s.io/volumeattachments", "attached"),
]


@pytest.mark.parametrize(("resource", "name"), OWN)
def test_a_node_reads_what_its_pods_need(node: Node, lookup: MemoryLookup, resource: str, name: str) -> None:
    namespace = "" if resource.endswith(("volumes", "attachments")) else "d"
    assert node.authorize(ask("get", resource, name, namespace)).allowed
    other = User("system:node:b", groups=("system:nodes",))
    text = "no relationship found between node 'b' and this object"
    assert node.authorize(ask("get", resource, name, namespace, other)) == Decision(False, text)
    assert not node.authorize(ask("delete", resource, name, namespace)).allowed or resource == "core/pods"
    if resource != "storage.k8s.io/volumeattachments":
        lookup.take("", "pods", "d", "p")
        assert not node.authorize(ask("get", resource, name, namespace)).allowed


def test_the_secret_behind_a_volume_is_there_while_the_claim_is(node: Node, lookup: MemoryLookup) -> None:
    asked = ask("get", "core/secrets", "csi", "storage")
    assert node.authorize(asked).allowed
    lookup.put("", "pods", pod("p"))
    assert not node.authorize(asked).allowed
    lookup.put("", "pods", pod("p", volumes=[{"name": "c", "persistentVolumeClaim": {"claimName": "claim"}}]))
    assert node.authorize(asked).allowed
    lookup.take("", "persistentvolumes", "", "volume")
    assert not node.authorize(asked).allowed


def test_two_pods_share_a_secret(node: Node, lookup: MemoryLookup) -> None:
    lookup.put("", "pods", pod("q", imagePullSecrets=[{"name": "pull"}]))
    lookup.take("", "pods", "d", "p")
    assert node.authorize(ask("get", "core/secrets", "pull")).allowed
    lookup.take("", "pods", "d", "q")
    assert not node.authorize(ask("get", "core/secrets", "pull")).allowed


def test_a_mirror_pod_gives_nothing(lookup: MemoryLookup) -> None:
    annotations = {"annotations": {"kubernetes.io/config.mirror": "x"}}
    made = pod("m", imagePullSecrets=[{"name": "stolen"}])
    lookup.put("", "pods", {**made, "metadata": {**made["metadata"], **annotations}})
    node = Node(Relations(lookup))
    assert not node.authorize(ask("get", "core/secrets", "stolen")).allowed
    assert node.authorize(ask("get", "core/pods", "m")).allowed


@pytest.mark.parametrize(
    ("asked", "decision"),
    [
        (ask("list", "core/secrets"), no("No Object name found")),
        (ask("list", "core/secrets", namespace=""), no("can only read namespaced object of this type")),
        (ask("create", "core/secrets"), no("can only read resources of this type")),
        (ask("list", "core/persistentvolumes"), no("can only get individual resources of this type")),
        (ask("list", "core/pods"), no("can only list/watch pods with spec.nodeName field selector")),
        (ask("list", "core/pods", fields="spec.nodeName=a"), Decision(True)),
        (ask("watch", "core/pods", fields="spec.nodeName=b"),
         no("can only list/watch pods with spec.nodeName field selector")),
        (ask("create", "core/pods"), Decision(True)),
        (ask("update", "core/pods"), Decision(False)),
        (ask("patch", "core/pods/status", "p"), Decision(True)),
        (ask("create", "core/pods/eviction", "p"), Decision(True)),
        (ask("get", "core/nodes", "a", ""), Decision(True)),
        (ask("get", "core/nodes", "b", ""), no("node 'a' cannot read 'b', only its own Node object")),
        (ask("list", "core/nodes", "", ""), no("node 'a' cannot read all nodes, only its own Node object")),
        (ask("patch", "core/nodes/status", "a", ""), Decision(True)),
        (ask("delete", "core/nodes", "a", ""), Decision(False)),
        (ask("update", "coordination.k8s.io/leases", "a", "kube-node-lease"), Decision(True)),
        (ask("update", "coordination.k8s.io/leases", "b", "kube-node-lease"),
         no("can only access node lease with the same name as the requesting node")),
        (ask("update", "coordination.k8s.io/leases", "a", "d"),
         no('can only access leases in the "kube-node-lease" system namespace')),
        (ask("create", "core/serviceaccounts/token", "web"), Decision(True)),
        (ask("create", "core/serviceaccounts/token", "other"),
         no("no relationship found between node 'a' and this object")),
        (ask("create", "storage.k8s.io/csinodes", "", ""), Decision(True)),
        (ask("update", "storage.k8s.io/csinodes", "b", ""),
         no("can only access CSINode with the same name as the requesting node")),
        (ask("patch", "core/persistentvolumeclaims/status", "claim"), Decision(True)),
        (ask("create", "resource.k8s.io/resourceslices", "", ""), Decision(True)),
        (ask("list", "resource.k8s.io/resourceslices", "", "", fields="spec.nodeName=a"), Decision(True)),
        (ask("list", "core/services", "", ""), Decision(True)),
        (ask("list", "apps/deployments", "", ""), Decision(False)),
        (ask("get", "core/nodes", "a", "", User("system:node:a")), Decision(False)),
        (ask("get", "core/nodes", "a", "", User("jane", groups=("system:nodes",))), Decision(False)),
        (ask("get", "core/nodes", "a", "", User("system:node:", groups=("system:nodes",))),
         no('unknown node for user "system:node:"')),
    ],
)  # fmt: skip
def test_its_own_objects(node: Node, asked: Attributes, decision: Decision) -> None:
    assert node.authorize(asked) == decision


def test_rules_of_nodes_cannot_be_listed(node: Node) -> None:
    assert node.rules_for(A, "d").incomplete
    assert node.rules_for(User("jane"), "d") == ((), False, "")
