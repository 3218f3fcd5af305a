"""What a node says of itself."""

from __future__ import annotations

from dataclasses import replace

from corral.cluster.kubelet.node.host import Machine, plan_handlers
from corral.cluster.kubelet.node.status import is_told, plan_node, plan_node_status
from corral.engine.host import HostInfo
from corral.model.image import Image

BOX = Machine("box", 4, 8 << 30, 100 << 30, "amd64", "6.1", "Debian", "m", "b", ("10.0.0.7",))
NOW = 1_700_000_000 * 10**9


def test_the_object() -> None:
    made = plan_node(BOX, ["10.244.0.0/24"], {"zone": "a"})
    assert made["spec"] == {"podCIDR": "10.244.0.0/24", "podCIDRs": ["10.244.0.0/24"]}
    assert made["metadata"]["labels"]["kubernetes.io/arch"] == "amd64" and made["metadata"]["labels"]["zone"] == "a"


def test_annotations_stand_beside_its_own() -> None:
    made = plan_node(BOX, [], {}, {"corral.dev/server": "a"})
    assert made["metadata"]["annotations"]["corral.dev/server"] == "a" and len(made["metadata"]["annotations"]) == 2


def test_its_status() -> None:
    status = plan_node_status({}, BOX, 110, [Image("sha256:0", tags=["a:1"], size=5)], NOW, 0)
    assert status["capacity"]["memory"] == "8388608Ki" and status["allocatable"] == status["capacity"]
    assert status["addresses"][0] == {"type": "InternalIP", "address": "10.0.0.7"}
    assert [one["type"] for one in status["conditions"] if one["status"] == "True"] == ["Ready"]
    again = plan_node_status({**status, "volumesInUse": ["v"]}, BOX, 110, [], NOW + 10**10, 0)
    assert again["conditions"][3]["lastTransitionTime"] == "2023-11-14T22:13:20Z"
    assert again["conditions"][3]["lastHeartbeatTime"] == "2023-11-14T22:13:30Z" and again["volumesInUse"] == ["v"]


def test_what_others_say_that_it_has_stays_and_is_offered() -> None:
    before = {"capacity": {"example.com/gpu": "2", "cpu": "64"}, "allocatable": {"example.com/old": "1"}}
    assert not is_told(before)
    status = plan_node_status(before, BOX, 110, [], NOW, 0)
    assert status["capacity"]["example.com/gpu"] == "2" and status["capacity"]["cpu"] == "4"
    assert status["allocatable"] == status["capacity"] and is_told(status)


def test_what_its_runtimes_can_do() -> None:
    host = HostInfo(
        runtimes={"crun": [], "runc": []}, default_runtime="runc", recursive_read_only=["runc"], own_users=True
    )
    status = plan_node_status({}, replace(BOX, handlers=plan_handlers(host)), 110, [], NOW, 0)
    able = {"recursiveReadOnlyMounts": True, "userNamespaces": True}
    assert status["runtimeHandlers"] == [
        {"name": "", "features": able},
        {"name": "crun", "features": {**able, "recursiveReadOnlyMounts": False}},
        {"name": "runc", "features": able},
    ]
    assert status["features"] == {"supplementalGroupsPolicy": True}
