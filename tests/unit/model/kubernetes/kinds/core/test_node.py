from __future__ import annotations

from tests.support.kinds import added, changed, judged, row

NODE = {"metadata": {"name": "a", "labels": {"node-role.kubernetes.io/control-plane": ""}}}


def test_defaults_and_rules() -> None:
    found = {"spec": {"podCIDR": "10.1.0.0/24"}, "status": {"capacity": {"cpu": "2", "memory": "1048576Ki"}}}
    assert added("", "Node", found) == {
        "spec": {"podCIDRs": ["10.1.0.0/24"]},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}, "capacity": {"memory": "1Gi"}},
    }
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoSchedule"}, {"key": "b", "effect": "X"}]
    assert judged("", "Node", {"spec": {"taints": taints}}) == [
        'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}: taints must be unique by key and '
        "effect pair",
        'metadata.taints[2].effect: Unsupported value: "X": supported values: "NoSchedule", "PreferNoSchedule", '
        '"NoExecute"',
    ]
    assert judged("", "Node", {"spec": {"podCIDRs": ["10.0.0.0/24", "10.1.0.0/24"]}}) == [
        'spec.podCIDRs: Invalid value: ["10.0.0.0/24","10.1.0.0/24"]: may specify no more than one CIDR for each IP '
        "family"
    ]


def test_what_is_set_once() -> None:
    old = {"spec": {"podCIDR": "10.1.0.0/24", "providerID": "a"}}
    assert changed("", "Node", old, spec={"podCIDR": "10.2.0.0/24", "providerID": "b"}) == [
        'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
        'spec.providerID: Forbidden: node updates may not change providerID except from "" to valid',
    ]


def test_columns() -> None:
    status = {
        "conditions": [{"type": "Ready", "status": "False"}],
        "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
        "nodeInfo": {"kubeletVersion": "v1.37.0"},
    }
    assert row("", "Node", {**NODE, "spec": {"unschedulable": True}, "status": status}, wide=True) == {
        "Status": "NotReady,SchedulingDisabled",
        "Roles": "control-plane",
        "Age": "<unknown>",
        "Version": "v1.37.0",
        "Internal-IP": "10.0.0.1",
        "External-IP": "<none>",
        "OS-Image": "<unknown>",
        "Kernel-Version": "<unknown>",
        "Container-Runtime": "<unknown>",
    }
