"""Resources of pods that run: given where the node has them, put into force in the kernel, or said why not."""

from __future__ import annotations

import os
from typing import Any

import pytest

from corral.cluster.client.builtin import PODS
from corral.cluster.client.protocol import MERGE_PATCH
from tests.support.kubelet import Node, container, is_ready, state

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

Object = dict[str, Any]

LIMIT = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max"


def resources(cpu: str = "10m", memory: str = "64Mi") -> Object:
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": {"cpu": "1", "memory": memory}}


async def resize(node: Node, name: str, wanted: Object) -> None:
    pod = await node.get(name)
    patch = {"spec": {"containers": [{**pod["spec"]["containers"][0], "resources": wanted}]}}
    await node.client.patch(PODS, name, "default", patch=patch, type=MERGE_PATCH, subresource="resize")


def condition(pod: Object, kind: str) -> Object:
    return next((one for one in pod["status"]["conditions"] if one["type"] == kind), {})


def settled(wanted: Object, restarts: int = 0) -> Any:
    def fits(pod: Object) -> bool:
        now = state(pod)
        done = not condition(pod, "PodResizeInProgress") and not condition(pod, "PodResizePending")
        has = now.get("resources") == wanted and now.get("allocatedResources") == wanted["requests"]
        return bool(done and has and now["restartCount"] == restarts and is_ready(pod))

    return fits


async def test_without_a_restart(node: Node) -> None:
    await node.create("grow", container(resources=resources()))
    pod = await node.running("grow")
    wanted = resources("20m", "96Mi")
    await resize(node, "grow", wanted)
    changed = await node.until("grow", settled(wanted))
    assert state(changed)["containerID"] == state(pod)["containerID"]
    assert int(await node.ask("grow", "sh", "-c", LIMIT)) == 96 << 20
    await resize(node, "grow", resources("20m", "80Mi"))
    await node.until("grow", settled(resources("20m", "80Mi")))
    assert int(await node.ask("grow", "sh", "-c", LIMIT)) == 80 << 20
    reasons = [reason for reason, _ in await node.events("grow")]
    assert "ResizeStarted" in reasons and "ResizeCompleted" in reasons


async def test_a_volume_shows_what_the_container_has_now(node: Node) -> None:
    ref = {"containerName": "main", "resource": "requests.cpu", "divisor": "1m"}
    volumes = [{"name": "v", "downwardAPI": {"items": [{"path": "cpu", "resourceFieldRef": ref}]}}]
    main = container(resources=resources(), volumeMounts=[{"name": "v", "mountPath": "/v"}])
    await node.create("told", main, volumes=volumes)
    await node.running("told")
    assert await node.ask("told", "cat", "/v/cpu") == "10"
    await resize(node, "told", resources("20m"))
    await node.until("told", settled(resources("20m")))
    follow = "until [ $(cat /v/cpu) = 20 ]; do sleep 0.05; done; cat /v/cpu"
    assert await node.ask("told", "timeout", "60", "sh", "-c", follow) == "20"


async def test_with_a_restart_where_the_container_wants_one(node: Node) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]
    await node.create("again", container(resources=resources(), resizePolicy=policy))
    await node.running("again")
    await resize(node, "again", resources("20m"))  # of the CPU it says nothing
    await node.until("again", settled(resources("20m")))
    await resize(node, "again", resources("20m", "96Mi"))
    await node.until("again", settled(resources("20m", "96Mi"), 1))
    assert int(await node.ask("again", "sh", "-c", LIMIT)) == 96 << 20
    assert ("Killing", "Container main resize requires restart") in await node.events("again")


async def test_more_than_the_node_has(node: Node) -> None:
    await node.create("much", container(resources=resources()))
    await node.running("much")
    await resize(node, "much", {**resources("900"), "limits": {"cpu": "901", "memory": "64Mi"}})
    pod = await node.until("much", lambda pod: condition(pod, "PodResizePending"))
    pending = condition(pod, "PodResizePending")
    assert pending["reason"] == "Infeasible"
    assert pending["message"].startswith("Node didn't have enough capacity: cpu, requested: 900000, capacity: ")
    assert state(pod)["resources"] == resources()
    await node.restart_kubelet()  # what was given is not forgotten
    assert state(await node.running("much"))["resources"] == resources()
    await resize(node, "much", resources())
    await node.until("much", settled(resources()))


async def test_more_than_there_is_now(node: Node) -> None:
    cpus = os.cpu_count() or 1
    limits = {"cpu": str(cpus), "memory": "64Mi"}
    small, large = (
        {"requests": {"cpu": cpu, "memory": "64Mi"}, "limits": limits} for cpu in ("10m", f"{cpus * 1000 - 500}m")
    )
    await node.create("one", container(resources=small))
    await node.create("other", container(resources={**small, "requests": {"cpu": "600m", "memory": "64Mi"}}))
    for name in ("one", "other"):
        await node.running(name)
    await resize(node, "one", large)
    pod = await node.until("one", lambda pod: condition(pod, "PodResizePending"))
    assert condition(pod, "PodResizePending")["reason"] == "Deferred"
    await node.delete("other")
    await node.until("one", settled(large))


async def test_less_memory_than_is_in_use(node: Node) -> None:
    fill = ["sh", "-c", "dd if=/dev/zero of=/fast/f bs=1M count=40; touch /fast/done; exec sleep 1000"]
    volumes = [{"name": "fast", "emptyDir": {"medium": "Memory"}}]
    mounts = [{"name": "fast", "mountPath": "/fast"}]
    probe = {"exec": {"command": ["test", "-e", "/fast/done"]}, "periodSeconds": 1}
    one = container(command=fill, resources=resources(memory="128Mi"), volumeMounts=mounts, readinessProbe=probe)
    await node.create("full", one, volumes=volumes)
    await node.running("full")
    await resize(node, "full", resources(memory="16Mi"))
    pod = await node.until("full", lambda pod: condition(pod, "PodResizeInProgress").get("reason"))
    said = condition(pod, "PodResizeInProgress")
    assert said["reason"] == "Error" and "below current usage" in said["message"]
    assert int(await node.ask("full", "sh", "-c", LIMIT)) == 128 << 20
    assert state(pod)["restartCount"] == 0
