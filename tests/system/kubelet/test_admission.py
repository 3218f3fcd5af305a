"""Pods that name their node themselves, and that it cannot run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client.builtin import NODES
from tests.support.kubelet import NODE, Node, container, state
from tests.system.kubelet.test_static import write

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

Object = dict[str, Any]


def asks(**amounts: str) -> Object:
    return container(resources={"requests": amounts})


async def refused(node: Node, name: str, *containers: Object, **spec: Any) -> tuple[str, str]:
    """(reason, message) of a pod that the node does not take; its event says the same."""
    await node.create(name, *containers, **spec)
    status = (await node.done(name))["status"]
    assert status["phase"] == "Failed" and "containerStatuses" not in status
    message = status["message"].removeprefix("Pod was rejected: ")
    assert message != status["message"]
    await node.told(name, status["reason"], message)
    return status["reason"], message


async def test_what_the_node_cannot_run(node: Node) -> None:
    whole = (await node.client.get(NODES, NODE))["status"]["allocatable"]
    capacity = int(whole["cpu"]) * 1000
    await node.create("first", asks(cpu="500m"))
    await node.running("first")
    assert await refused(node, "wide", asks(cpu=whole["cpu"])) == (
        "OutOfcpu",
        f"Node didn't have enough resource: cpu, requested: {capacity}, used: 500, capacity: {capacity}",
    )
    assert (await refused(node, "large", asks(memory="900Ti")))[0] == "OutOfmemory"
    assert await refused(node, "else", nodeSelector={"disk": "ssd"}) == (
        "NodeAffinity",
        "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector",
    )
    assert (await refused(node, "other", os={"name": "windows"}))[0] == "PodOSNotSupported"
    sysctls = [{"name": "net.core.somaxconn", "value": "9"}]
    assert await refused(node, "tuned", securityContext={"sysctls": sysctls}) == (
        "SysctlForbidden",
        'forbidden sysctl: "net.core.somaxconn" not allowlisted',
    )
    patch = {"metadata": {"labels": {"disk": "ssd"}}}
    await node.client.patch(NODES, NODE, patch=patch)
    await node.create("labelled", nodeSelector={"disk": "ssd"})
    await node.running("labelled")  # whatever the kubelet had heard of the node


async def test_what_runs_is_not_refused_later(node: Node) -> None:
    await node.client.patch(NODES, NODE, patch={"metadata": {"labels": {"disk": "ssd"}}})
    await node.create("runs", nodeSelector={"disk": "ssd"})
    before = await node.running("runs")
    await node.stop_kubelet()
    taints = [{"key": "odd", "effect": "NoExecute"}]
    await node.client.patch(NODES, NODE, patch={"metadata": {"labels": {"disk": None}}, "spec": {"taints": taints}})
    await node.start_kubelet()
    assert (await refused(node, "late"))[0] == "TaintToleration"
    after = await node.get("runs")
    assert after["status"]["phase"] == "Running" and state(after) == state(before)


async def test_room_for_a_critical_pod(node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "manifests"
    await node.restart_kubelet(manifests=str(folder))
    whole = (await node.client.get(NODES, NODE))["status"]["allocatable"]
    await node.create("small", asks(cpu="100m"))
    await node.create("large", asks(cpu=f"{int(whole['cpu']) * 1000 - 200}m"))
    await node.running("small")
    await node.running("large")
    write(folder, resources={"requests": {"cpu": "500m"}})
    await node.running(f"web-{NODE}")
    gone = (await node.done("large"))["status"]
    assert (gone["reason"], gone["message"]) == ("Preempting", "Preempted in order to admit critical pod")
    condition = next(one for one in gone["conditions"] if one["type"] == "DisruptionTarget")
    assert condition["message"] == "Pod was preempted by Kubelet to accommodate a critical pod."
    assert (await node.get("small"))["status"]["phase"] == "Running"
