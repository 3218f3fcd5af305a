"""Deployments on a real API server: rollouts from the first pod to the last."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import DEPLOYMENTS, PODS, REPLICA_SETS
from corral.cluster.controllers.deployment.status import is_complete
from tests.support.workloads import Cluster, Kubelet, Object, cluster, running, template

NAMES = ("deployment-controller", "replicaset-controller")


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, NAMES) as found:
        yield found


@pytest.fixture
async def kubelet(shop: Cluster) -> AsyncIterator[Kubelet]:
    async with running(Kubelet(shop)) as found:
        yield found


def deployment(replicas: int = 3, image: str = "busybox:1", **spec: Any) -> Object:
    selector = {"matchLabels": {"app": "web"}}
    wanted = {"replicas": replicas, "selector": selector, "template": template("web", image), **spec}
    return {"metadata": {"name": "web", "namespace": "shop"}, "spec": wanted}


async def complete(shop: Cluster) -> Object:
    return await shop.until(DEPLOYMENTS, "shop/web", lambda one: is_complete(one, one.get("status") or {}))


async def settled(shop: Cluster) -> Object:
    """Complete, and said to be so."""

    def is_settled(one: Object) -> bool:
        status = one.get("status") or {}
        told = {c["type"]: c.get("reason") for c in status.get("conditions") or ()}
        return is_complete(one, status) and told.get("Progressing") == "NewReplicaSetAvailable"

    return await shop.until(DEPLOYMENTS, "shop/web", is_settled)


async def change(shop: Cluster, patch: Any) -> None:
    written = await shop.client.patch(DEPLOYMENTS, "web", "shop", patch=patch)
    await shop.shared.informers.of(DEPLOYMENTS).seen(written)


async def set_image(shop: Cluster, image: str) -> None:
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": image}]}}}}
    await change(shop, patch)


def images(shop: Cluster) -> list[str]:
    return sorted({pod["spec"]["containers"][0]["image"] for pod in shop.pods(app="web") if not meta.deleting(pod)})


async def test_a_deployment_gets_its_pods_and_says_so(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DEPLOYMENTS, deployment())
    found = await settled(shop)
    status = found["status"]
    assert {key: status[key] for key in ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas")} == {
        "replicas": 3,
        "updatedReplicas": 3,
        "readyReplicas": 3,
        "availableReplicas": 3,
    }
    assert "unavailableReplicas" not in status and status["observedGeneration"] == 1
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    (replica_set,) = (await shop.client.list(REPLICA_SETS, "shop")).items
    name = meta.name(replica_set)
    told = {one["type"]: (one["status"], one["reason"], one["message"]) for one in status["conditions"]}
    assert told == {
        "Available": ("True", "MinimumReplicasAvailable", "Deployment has minimum availability."),
        "Progressing": ("True", "NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.'),
    }
    assert replica_set["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3",
        "deployment.kubernetes.io/max-replicas": "4",
    }
    hash = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert name == f"web-{hash}"
    assert all(meta.name(pod).startswith(f"{name}-") for pod in shop.pods(app="web", **{"pod-template-hash": hash}))
    assert await shop.events("web") == [("ScalingReplicaSet", f"Scaled up replica set {name} from 0 to 3")]
    made = [message for reason, message in await shop.events(name) if reason == "SuccessfulCreate"]
    assert sorted(made) == sorted(f"Created pod: {meta.name(pod)}" for pod in shop.pods(app="web"))


async def test_a_rollout_of_20_keeps_its_bounds_and_is_quick(shop: Cluster, kubelet: Kubelet) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": 1}}
    await shop.client.create(DEPLOYMENTS, deployment(20, strategy=strategy))
    await settled(shop)
    seen: list[tuple[int, int]] = []

    def note(old: Object | None, new: Object | None) -> None:
        live = [pod for pod in shop.pods(app="web") if not meta.deleting(pod)]
        ready = [one for one in live if {"type": "Ready", "status": "True"}.items() <= _ready(one).items()]
        seen.append((len(live), len(ready)))

    shop.shared.informers.of(PODS).on_change(note)
    seen.clear()
    begun = time.process_time()
    await set_image(shop, "busybox:2")
    await settled(shop)
    spent = time.process_time() - begun
    assert images(shop) == ["busybox:2"]
    assert max(total for total, _ in seen) <= 22
    assert min(ready for _, ready in seen) >= 19
    assert spent < 3, spent
    print(f"rollout of 20: {spent:.3f} s of CPU")


def _ready(pod: Object) -> Object:
    found = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one["type"] == "Ready"), {})
