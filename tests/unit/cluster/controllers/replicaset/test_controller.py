"""ReplicaSets and ReplicationControllers on a real API server: as many pods as asked for, and whose they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from corral.cluster.client.protocol import Collection
from corral.model.kubernetes.status import forbidden
from tests.support.workloads import Cluster, Kubelet, Object, cluster, running, template

NAMES = ("replicaset-controller", "replicationcontroller-controller")


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, NAMES) as found:
        yield found


@pytest.fixture
async def kubelet(shop: Cluster) -> AsyncIterator[Kubelet]:
    async with running(Kubelet(shop)) as found:
        yield found


def replica_set(replicas: int = 2, **spec: Any) -> Object:
    wanted = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template("web"), **spec}
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": wanted}


async def available(shop: Cluster, count: int, of: Collection = REPLICA_SETS) -> Object:
    def holds(one: Object) -> bool:
        status = one.get("status") or {}
        seen = status.get("observedGeneration") == one["metadata"]["generation"]
        return seen and status.get("replicas") == count and status.get("availableReplicas", 0) == count

    return await shop.until(of, "shop/web", holds)


async def scale(shop: Cluster, replicas: int) -> None:
    written = await shop.client.patch(REPLICA_SETS, "web", "shop", patch={"spec": {"replicas": replicas}})
    await shop.shared.informers.of(REPLICA_SETS).seen(written)


async def test_pods_are_made_and_the_cheapest_deleted(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(REPLICA_SETS, replica_set(4))
    found = await available(shop, 4)
    assert found["status"] == {
        "replicas": 4,
        "fullyLabeledReplicas": 4,
        "readyReplicas": 4,
        "availableReplicas": 4,
        "terminatingReplicas": 0,
        "observedGeneration": 1,
    }
    cheap = shop.pods(app="web")[2]
    cost = {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "-1"}}}
    await shop.shared.informers.of(PODS).seen(await shop.client.patch(PODS, meta.name(cheap), "shop", patch=cost))
    await scale(shop, 3)
    await available(shop, 3)
    await shop.until_gone(PODS, meta.key(cheap))
    await shop.told("web", "SuccessfulDelete", f"Deleted pod: {meta.name(cheap)}")


async def test_a_pod_that_ends_is_replaced(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(REPLICA_SETS, replica_set())
    await available(shop, 2)
    pod = shop.pods(app="web")[0]
    await shop.client.delete(PODS, meta.name(pod), "shop")
    await shop.until_gone(PODS, meta.key(pod))
    await available(shop, 2)


async def test_orphans_are_adopted_and_strangers_released(shop: Cluster, kubelet: Kubelet) -> None:
    orphan = {
        "metadata": {"name": "lone", "namespace": "shop", "labels": {"app": "web"}},
        "spec": template("web")["spec"],
    }
    await shop.client.create(PODS, orphan)
    await shop.client.create(REPLICA_SETS, replica_set())
    owner = await available(shop, 2)
    assert sum(meta.controlled_by(pod, owner) for pod in shop.pods(app="web")) == 2
    assert meta.controlled_by(await shop.client.get(PODS, "lone", "shop"), owner)
    await shop.client.patch(PODS, "lone", "shop", patch={"metadata": {"labels": {"app": "stranger"}}})
    await shop.until(PODS, "shop/lone", lambda pod: meta.controller_of(pod) is None)
    await shop.until_all(PODS, lambda pods: sum(meta.controlled_by(pod, owner) for pod in pods) == 2)


async def test_what_cannot_be_made_is_told(shop: Cluster, kubelet: Kubelet) -> None:
    wanted = replica_set(3)
    refused = 0

    async def create(of: Collection, obj: Object, namespace: str = "", **more: Any) -> Object:
        nonlocal refused
        if of == PODS:
            refused += 1
            raise forbidden("pods", "web-x", "exceeded quota: q")
        return await real(of, obj, namespace, **more)

    real = shop.client.create
    shop.client.create = create  # type: ignore[method-assign]
    try:
        await shop.client.create(REPLICA_SETS, wanted)
        found = await shop.until(
            REPLICA_SETS, "shop/web", lambda one: bool((one.get("status") or {}).get("conditions"))
        )
        (condition,) = found["status"]["conditions"]
        text = 'pods "web-x" is forbidden: exceeded quota: q'
        assert (condition["type"], condition["reason"], condition["message"]) == (
            "ReplicaFailure",
            "FailedCreate",
            text,
        )
        await shop.told("web", "FailedCreate", f"Error creating: {text}")
        assert refused < 10  # one at a time, later and later
    finally:
        shop.client.create = real  # type: ignore[method-assign]
    await shop.until(REPLICA_SETS, "shop/web", lambda one: not one["status"].get("conditions"))


async def test_a_replication_controller_is_the_same(shop: Cluster, kubelet: Kubelet) -> None:
    spec = {"replicas": 2, "selector": {"app": "web"}, "template": template("web")}
    await shop.client.create(REPLICATION_CONTROLLERS, {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
    found = await available(shop, 2, REPLICATION_CONTROLLERS)
    assert "terminatingReplicas" not in found["status"]
    assert all(meta.controlled_by(pod, found) for pod in shop.pods(app="web"))
