"""DaemonSets on a real API server: a pod on each node, and updates within bounds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import CONTROLLER_REVISIONS, DAEMON_SETS, NODES, PODS
from tests.support.workloads import Cluster, Kubelet, Object, cluster, running, template


def node(name: str, *taints: Object, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": list(taints)}}


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Cluster]:
    busy = {"key": "busy", "effect": "NoSchedule"}
    cordoned = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    nodes = [node("a", disk="ssd"), node("b", cordoned, disk="ssd"), node("c", busy, disk="ssd"), node("d")]
    async with cluster(tmp_path, ("daemonset-controller",), nodes) as found:
        yield found


@pytest.fixture
async def kubelet(shop: Cluster) -> AsyncIterator[Kubelet]:
    async with running(Kubelet(shop)) as found:
        yield found


def daemon_set(rolling: Object | None = None, **pod: Any) -> Object:
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling or {"maxUnavailable": 1}}
    spec = {"selector": {"matchLabels": {"app": "log"}}, "template": template("log", **pod), "updateStrategy": strategy}
    return {"metadata": {"name": "log", "namespace": "shop"}, "spec": spec}


async def ready(shop: Cluster, count: int, **more: Any) -> Object:
    def holds(one: Object) -> bool:
        status = one.get("status") or {}
        counts = {"desiredNumberScheduled": count, "numberAvailable": count, "updatedNumberScheduled": count, **more}
        seen = status.get("observedGeneration") == one["metadata"]["generation"]
        return seen and all((status.get(key) or 0) == value for key, value in counts.items())

    return await shop.until(DAEMON_SETS, "shop/log", holds)


def nodes_of(shop: Cluster) -> list[str]:
    return sorted(pod["spec"].get("nodeName", "") for pod in shop.pods(app="log"))


async def change(shop: Cluster, patch: Object) -> None:
    written = await shop.client.patch(DAEMON_SETS, "log", "shop", patch=patch)
    await shop.shared.informers.of(DAEMON_SETS).seen(written)


def image(image: str) -> Object:
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}


async def test_a_pod_on_each_node_that_may_have_it(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DAEMON_SETS, daemon_set(nodeSelector={"disk": "ssd"}))
    await ready(shop, 2)
    assert nodes_of(shop) == ["a", "b"]
    await shop.client.create(NODES, node("e", disk="ssd"))
    await ready(shop, 3)
    assert nodes_of(shop) == ["a", "b", "e"]
    await shop.client.patch(NODES, "a", patch={"metadata": {"labels": {"disk": "hdd"}}})
    await ready(shop, 2)
    await shop.until_all(PODS, lambda pods: len(pods) == 2)
    assert nodes_of(shop) == ["b", "e"]
    taint = {"key": "gone", "effect": "NoExecute"}
    await shop.client.patch(NODES, "e", patch={"spec": {"taints": [taint]}})
    await shop.until_all(PODS, lambda pods: len(pods) == 1)
    made = [reason for reason, _ in await shop.events("log")]
    assert made.count("SuccessfulCreate") == 3 and made.count("SuccessfulDelete") == 2


async def test_an_update_deletes_one_pod_at_a_time(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DAEMON_SETS, daemon_set(tolerations=[{"operator": "Exists"}]))
    await ready(shop, 4)
    least = []
    shop.shared.informers.of(PODS).on_change(lambda old, new: least.append(_available(shop)))
    least.clear()
    await change(shop, image("busybox:2"))
    await ready(shop, 4)
    assert min(least) == 3
    assert {pod["spec"]["containers"][0]["image"] for pod in shop.pods(app="log")} == {"busybox:2"}
    revisions = (await shop.client.list(CONTROLLER_REVISIONS, "shop")).items
    assert sorted(one["revision"] for one in revisions) == [1, 2]


async def test_with_a_surge_no_node_is_ever_without(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DAEMON_SETS, daemon_set({"maxSurge": 1, "maxUnavailable": 0}))
    await ready(shop, 3)
    counts = []
    shop.shared.informers.of(PODS).on_change(lambda old, new: counts.append((_available(shop), len(shop.pods()))))
    counts.clear()
    await change(shop, image("busybox:2"))
    await ready(shop, 3)
    await shop.until_all(PODS, lambda pods: len(pods) == 3)
    assert min(available for available, _ in counts) == 3
    assert max(total for _, total in counts) <= 5  # one of them may be on its way out


def _available(shop: Cluster) -> int:
    nodes = set()
    for pod in shop.pods(app="log"):
        conditions = (pod.get("status") or {}).get("conditions") or ()
        if not meta.deleting(pod) and any(c["type"] == "Ready" and c["status"] == "True" for c in conditions):
            nodes.add(pod["spec"]["nodeName"])
    return len(nodes)


async def test_a_failed_pod_is_replaced_at_once_and_later_with_a_rest(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DAEMON_SETS, daemon_set(nodeSelector={"disk": "ssd"}))
    await ready(shop, 2)
    pod = next(pod for pod in shop.pods(app="log") if pod["spec"]["nodeName"] == "a")
    await kubelet.tell(pod, "Failed")
    await shop.until_gone(PODS, meta.key(pod))
    await ready(shop, 2)
    text = f"Found failed daemon pod shop/{meta.name(pod)} on node a, will try to kill it"
    assert ("FailedDaemonPod", text) in await shop.events("log")


async def test_on_delete_waits_for_somebody_to_delete(shop: Cluster, kubelet: Kubelet) -> None:
    wanted = daemon_set(nodeSelector={"disk": "ssd"})
    wanted["spec"]["updateStrategy"] = {"type": "OnDelete"}
    await shop.client.create(DAEMON_SETS, wanted)
    await ready(shop, 2)
    await change(shop, image("busybox:2"))
    await ready(shop, 2, updatedNumberScheduled=0)
    await shop.client.delete(PODS, meta.name(shop.pods(app="log")[0]), "shop")
    await ready(shop, 2, updatedNumberScheduled=1)


async def test_a_revision_that_was_taken_away_is_made_anew(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DAEMON_SETS, daemon_set(nodeSelector={"disk": "ssd"}))
    await ready(shop, 2)
    (first,) = await shop.until_all(CONTROLLER_REVISIONS, lambda found: found)
    await shop.client.delete(CONTROLLER_REVISIONS, meta.name(first), "shop")

    def anew(found: list[Object]) -> list[Object]:
        return [one for one in found if meta.uid(one) != meta.uid(first)]

    (second,) = await shop.until_all(CONTROLLER_REVISIONS, anew)
    assert (meta.name(second), second["data"]) == (meta.name(first), first["data"])
    assert list(second["data"]["spec"]["template"]) == ["$patch", "metadata", "spec"]


async def test_a_revision_that_somebody_adds_counts(shop: Cluster, kubelet: Kubelet) -> None:
    """Conformance, "manage the lifecycle of a ControllerRevision": the one of the next template gets number 3."""
    await shop.client.create(DAEMON_SETS, daemon_set(nodeSelector={"disk": "ssd"}))
    await ready(shop, 2)
    (first,) = await shop.until_all(CONTROLLER_REVISIONS, lambda found: found)
    kept = {key: first["metadata"][key] for key in ("labels", "ownerReferences", "namespace")}
    added = {"metadata": {"name": "log-added", **kept}, "data": first["data"], "revision": 2}
    await shop.client.create(CONTROLLER_REVISIONS, added)
    await shop.client.delete(CONTROLLER_REVISIONS, meta.name(first), "shop")
    await shop.until_gone(CONTROLLER_REVISIONS, meta.key(first))
    await change(shop, image("busybox:2"))
    await ready(shop, 2)
    found = await shop.until_all(CONTROLLER_REVISIONS, lambda found: [one for one in found if one["revision"] == 3])
    assert meta.name(found[0]) != "log-added"
