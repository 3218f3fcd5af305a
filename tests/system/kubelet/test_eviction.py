"""A node that runs short: its thresholds are set so that this machine is below them, nothing is used up."""

from __future__ import annotations

from typing import Any

import pytest

from corral.cluster.client.builtin import EVENTS, NODES, PODS
from corral.cluster.kubelet.eviction.thresholds import EvictionSettings, plan_thresholds
from corral.cluster.kubelet.worker import worker
from corral.model.kubernetes.status import StatusError
from tests.support.kubelet import NODE, Node, container, state
from tests.support.wait import eventually_async

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

MUCH = "100000Gi"


def short_of(signal: str, **more: float) -> dict[str, EvictionSettings]:
    return {"eviction": EvictionSettings(plan_thresholds(f"{signal}<{MUCH}", "", "", ""), period=0.2, **more)}  # type: ignore[arg-type]


async def test_memory(node: Node) -> None:
    """Who asked for nothing goes first; who is critical stays; nobody new is taken; and it ends."""
    asks = {"requests": {"memory": "10Gi"}}
    await node.create("modest", container(resources=asks))
    await node.create("greedy")
    await node.create("needed", priorityClassName="system-node-critical")
    for name in ("modest", "greedy", "needed"):
        await node.running(name)
    await node.restart_kubelet(**short_of("memory.available"))
    for name in ("greedy", "modest"):
        status = (await node.done(name))["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
        assert status["message"].startswith(f"The node was low on resource: memory. Threshold quantity: {MUCH[:-2]}")
        target = next(one for one in status["conditions"] if one["type"] == "DisruptionTarget")
        assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
        assert target["message"] == status["message"]
    assert "Container main was using " in (await node.get("greedy"))["status"]["message"]
    await node.kubelet.events.drained()
    told = [one for one in (await node.client.list(EVENTS, "default")).items if one["reason"] == "Evicted"]
    told.sort(key=lambda one: int(one["metadata"]["resourceVersion"]))
    assert [one["involvedObject"]["name"] for one in told] == ["greedy", "modest"]
    assert (await node.condition("MemoryPressure", "True"))["reason"] == "KubeletHasInsufficientMemory"
    await node.create("late")
    late = (await node.done("late"))["status"]
    assert late["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
    assert (await node.get("needed"))["status"]["phase"] == "Running"
    await node.restart_kubelet()
    assert (await node.condition("MemoryPressure", "False"))["reason"] == "KubeletHasSufficientMemory"


@pytest.mark.parametrize(
    ("signal", "condition", "resource"),
    [("nodefs.available", "DiskPressure", "ephemeral-storage"), ("pid.available", "PIDPressure", "pids")],
)
async def test_disk_and_processes(node: Node, signal: str, condition: str, resource: str) -> None:
    await node.create("web", container(command=["sh", "-c", "echo much >/f; sleep 1000"]))
    await node.running("web")
    await node.restart_kubelet(**short_of(signal))
    status = (await node.done("web"))["status"]
    assert status["reason"] == "Evicted"
    assert status["message"].startswith(f"The node was low on resource: {resource}. ")
    await node.condition(condition, "True")


async def test_what_is_over_leaves_nothing_on_a_short_disk(node: Node) -> None:
    """Neither who was evicted nor who had come to an end before: else the next pod would go, and one more. What their
    containers came to can still be read."""
    await node.create("over", container(command=["sh", "-c", "echo much >/f; exit 3"]), restartPolicy="Never")
    await node.create("web", container(command=["sh", "-c", "echo much >/f; sleep 1000"]))
    ended = state(await node.done("over"))
    await node.running("web")
    assert len(node.engine.containers.list(unlisted=True)) == 2
    await node.restart_kubelet(**short_of("nodefs.available"))
    evicted = state(await node.done("web"))
    assert evicted["state"]["terminated"]["exitCode"] == 137
    await eventually_async(lambda: not node.engine.containers.list(unlisted=True), "their containers are gone")
    await node.engine.tidied()
    assert node.engine.images.rootfs.ids() == []
    for name, before in (("over", ended), ("web", evicted)):
        with pytest.raises(StatusError, match="unable to retrieve container logs for corral://"):
            await node.logs(name)
        assert state(await node.get(name)) == before
    await node.restart_kubelet()
    for name, before in (("over", ended), ("web", evicted)):
        pod = await node.get(name)
        seen = await _last_of(node, pod)
        assert (state(seen), seen["status"]["phase"]) == (before, "Failed")


async def _last_of(node: Node, pod: dict[str, Any]) -> dict[str, Any]:
    """The pod as it was just before it was deleted."""
    last, name, version = pod, pod["metadata"]["name"], pod["metadata"]["resourceVersion"]
    events = node.client.watch(PODS, "default", resource_version=version, field_selector=f"metadata.name={name}")
    await node.client.delete(PODS, name, "default")
    async for event in events:
        if event.type == "DELETED":
            return last
        if event.type == "MODIFIED":
            last = event.object
    raise AssertionError("the watch has ended")


async def test_allocatable_is_less_by_what_is_kept(node: Node) -> None:
    hard = plan_thresholds("memory.available<100Mi,nodefs.available<10%", "", "", "")
    before = (await node.client.get(NODES, NODE))["status"]
    assert before["allocatable"] == before["capacity"]
    await node.restart_kubelet(eviction=EvictionSettings(hard))
    status = (await node.client.get(NODES, NODE))["status"]
    sizes = [int(status[key]["memory"].removesuffix("Ki")) for key in ("capacity", "allocatable")]
    assert sizes[0] - sizes[1] == 100 * 1024


async def test_limits_of_the_disk(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "PERIOD", 0.2)
    fill = ["sh", "-c", "dd if=/dev/zero of=$0 bs=1M count=3; exec sleep 1000"]
    limits = {"limits": {"ephemeral-storage": "1Mi"}}
    await node.create("own", container(command=[*fill, "/f"], resources=limits))
    mounts = [{"name": "v", "mountPath": "/v"}]
    volumes = [{"name": "v", "emptyDir": {}}]
    shared = container(command=[*fill, "/v/f"], resources=limits, volumeMounts=mounts)
    await node.create("volume", shared, volumes=volumes)
    status = (await node.done("own"))["status"]
    assert status["message"] == 'Container main exceeded its local ephemeral storage limit "1Mi". '
    assert not any(one["type"] == "DisruptionTarget" for one in status["conditions"])
    status = (await node.done("volume"))["status"]
    assert status["message"] == "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
