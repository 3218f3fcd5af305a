"""Which pods a node does not take, and in whose words."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.kubelet.lifecycle.admission import HostPort, collide, plan_apparmor, plan_refusals

Object = dict[str, Any]

ALLOCATABLE = {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi", "pods": "3", "example.com/fpga": "1"}
STATIC = {"kubernetes.io/config.source": "file"}


def node(taints: list[Object] | None = None, **labels: str) -> Object:
    about = {"name": "n1", "labels": {"kubernetes.io/os": "linux", **labels}}
    return {"metadata": about, "spec": {"taints": taints or []}, "status": {"allocatable": ALLOCATABLE}}


def pod(requests: Object | None = None, metadata: Object | None = None, **spec: Any) -> Object:
    ports = spec.pop("ports", [])
    one = {"name": "a", "resources": {"requests": requests or {}}, "ports": ports}
    return {"metadata": metadata or {}, "spec": {"nodeName": "n1", "containers": [one], **spec}}


def reasons(asked: Object, others: list[Object] | None = None, at: Object | None = None, **more: Any) -> list[str]:
    return [one.reason for one in plan_refusals(asked, others or [], at or node(), **more)]


@pytest.mark.parametrize(
    ("requests", "used", "message"),
    [
        ({"cpu": "1500m"}, {"cpu": "600m"}, "cpu, requested: 1500, used: 600, capacity: 2000"),
        ({"memory": "1Gi"}, {"memory": "1"}, "memory, requested: 1073741824, used: 1, capacity: 1073741824"),
        (
            {"ephemeral-storage": "11Gi"},
            {},
            "ephemeral-storage, requested: 11811160064, used: 0, capacity: 10737418240",
        ),
        ({"example.com/fpga": "1"}, {"example.com/fpga": "1"}, "example.com/fpga, requested: 1, used: 1, capacity: 1"),
    ],
)
def test_too_little_is_left(requests: Object, used: Object, message: str) -> None:
    found = plan_refusals(pod(requests), [pod(used)], node())
    name = next(iter(requests))
    assert [(one.reason, one.message) for one in found] == [
        (f"OutOf{name}", f"Node didn't have enough resource: {message}")
    ]


def test_what_just_fits_is_taken() -> None:
    assert reasons(pod({"cpu": "1500m"}), [pod({"cpu": "500m"})]) == []


def test_as_many_pods_as_the_node_takes() -> None:
    assert reasons(pod(), [pod()] * 2) == []
    assert [one.message for one in plan_refusals(pod(), [pod()] * 3, node())] == [
        "Node didn't have enough resource: pods, requested: 1, used: 3, capacity: 3"
    ]


def test_a_resource_of_the_cluster_is_not_the_nodes() -> None:
    assert reasons(pod({"example.com/dongle": "7"})) == []
    assert reasons(pod({"hugepages-2Mi": "2Mi"})) == ["OutOfhugepages-2Mi"]


def test_init_containers_and_overhead_count() -> None:
    first = {"name": "i", "resources": {"requests": {"cpu": "1800m"}}}
    assert reasons(pod({"cpu": "1"}, initContainers=[first], overhead={"cpu": "300m"})) == ["OutOfcpu"]


def test_the_first_reason_is_of_resources() -> None:
    asked = pod({"cpu": "3"}, nodeSelector={"disk": "ssd"}, ports=[{"hostPort": 80}])
    assert reasons(asked, [pod(ports=[{"hostPort": 80}])]) == ["OutOfcpu", "NodeAffinity", "NodePorts"]


def test_taints_that_drive_out() -> None:
    drives, keeps = {"key": "gpu", "effect": "NoExecute"}, {"key": "gpu", "effect": "NoSchedule"}
    assert reasons(pod(), at=node([drives])) == ["TaintToleration"]
    assert reasons(pod(), at=node([keeps])) == []
    assert reasons(pod(tolerations=[{"operator": "Exists"}]), at=node([drives])) == []
    assert reasons(pod(metadata={"annotations": STATIC}), at=node([drives])) == []


def test_who_was_let_in_before_needs_room_only() -> None:
    changed = node([{"key": "gpu", "effect": "NoExecute"}])
    asked = pod({"cpu": "3"}, nodeSelector={"disk": "ssd"})
    assert reasons(asked, at=changed, known=True) == ["OutOfcpu"]


def test_another_node_and_another_system() -> None:
    assert reasons(pod() | {"spec": {"nodeName": "n2", "containers": []}}) == ["NodeName"]
    assert reasons(pod(os={"name": "windows"})) == ["PodOSNotSupported"]
    assert reasons(pod(metadata={"labels": {"kubernetes.io/os": "windows"}})) == ["PodOSSelectorNodeLabelDoesNotMatch"]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (HostPort("", "TCP", 80), HostPort("", "UDP", 80), False),
        (HostPort("", "TCP", 80), HostPort("", "TCP", 81), False),
        (HostPort("10.0.0.1", "TCP", 80), HostPort("10.0.0.2", "TCP", 80), False),
        (HostPort("10.0.0.1", "TCP", 80), HostPort("0.0.0.0", "TCP", 80), True),
        (HostPort("10.0.0.1", "TCP", 80), HostPort("10.0.0.1", "TCP", 80), True),
    ],
)
def test_ports_of_the_node(one: HostPort, other: HostPort, both: bool) -> None:
    assert collide(one, other) is collide(other, one) is both


def test_apparmor() -> None:
    wanted = {"securityContext": {"appArmorProfile": {"type": "Localhost", "localhostProfile": "mine"}}}
    one = pod() | {"spec": {"containers": [{"name": "a", **wanted}]}}
    assert plan_apparmor(one, enabled=True) is None
    refused = plan_apparmor(one, enabled=False)
    assert refused is not None and refused.reason == "AppArmor"
    free = {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}
    assert plan_apparmor(pod() | {"spec": {"containers": [{"name": "a", **free}]}}, enabled=False) is None
