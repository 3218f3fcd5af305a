"""Deployments on a real API server: rollouts from the first pod to the last."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import DEPLOYMENTS, PODS, REPLICA_SETS
from corral.cluster.controllers.deployment.revisions import new_replica_set
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
    assert spent < 2, spent  # measured: 0.2 s


def _ready(pod: Object) -> Object:
    found = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one["type"] == "Ready"), {})


async def test_recreate_makes_new_pods_only_when_the_old_are_gone(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
    await settled(shop)
    mixed: list[bool] = []
    pods = shop.shared.informers.of(PODS)
    pods.on_change(lambda old, new: mixed.append(len({_image(pod) for pod in pods.all()}) > 1))
    await set_image(shop, "busybox:2")
    await settled(shop)
    assert images(shop) == ["busybox:2"] and not any(mixed)


def _image(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["image"])


async def test_a_broken_version_stops_and_going_back_repairs(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DEPLOYMENTS, deployment(4, progressDeadlineSeconds=60))
    first = await settled(shop)
    kubelet.broken = lambda pod: _image(pod) == "busybox:bad"
    await set_image(shop, "busybox:bad")
    await shop.until_all(PODS, lambda found: sum(_image(pod) == "busybox:bad" for pod in found) == 2)
    found = await shop.until(DEPLOYMENTS, "shop/web", lambda one: one["status"].get("updatedReplicas") == 2)
    assert found["status"]["availableReplicas"] == 3 and found["status"]["unavailableReplicas"] == 2
    shop.ahead += timedelta(seconds=62)
    await change(shop, {"metadata": {"annotations": {"look": "again"}}})
    found = await shop.until(DEPLOYMENTS, "shop/web", lambda one: _reason(one) == "ProgressDeadlineExceeded")
    told = next(one for one in found["status"]["conditions"] if one["type"] == "Progressing")
    assert told["status"] == "False" and told["message"].endswith("has timed out progressing.")
    await change(shop, {"spec": {"template": first["spec"]["template"]}})
    found = await settled(shop)
    assert images(shop) == ["busybox:1"]
    assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    sets = {one["spec"]["template"]["spec"]["containers"][0]["image"]: one for one in await _sets(shop)}
    kept = sets["busybox:1"]["metadata"]["annotations"]
    assert kept["deployment.kubernetes.io/revision"] == "3" and kept["deployment.kubernetes.io/revision-history"] == "1"


def _reason(one: Object) -> str:
    found = (one.get("status") or {}).get("conditions") or ()
    return next((c.get("reason", "") for c in found if c["type"] == "Progressing"), "")


async def _sets(shop: Cluster) -> list[Object]:
    return (await shop.client.list(REPLICA_SETS, "shop")).items


async def test_a_paused_deployment_scales_and_does_not_roll(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DEPLOYMENTS, deployment())
    await settled(shop)
    await change(shop, {"spec": {"paused": True}})
    await shop.until(DEPLOYMENTS, "shop/web", lambda one: _reason(one) == "DeploymentPaused")
    await set_image(shop, "busybox:2")
    await change(shop, {"spec": {"replicas": 5}})
    await shop.until(DEPLOYMENTS, "shop/web", lambda one: one["status"].get("availableReplicas") == 5)
    assert images(shop) == ["busybox:1"]
    await change(shop, {"spec": {"paused": False}})
    await settled(shop)
    assert images(shop) == ["busybox:2"] and len(shop.pods(app="web")) == 5


async def test_scaling_in_the_middle_of_a_rollout_shares(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DEPLOYMENTS, deployment(8))
    await settled(shop)
    kubelet.broken = lambda pod: _image(pod) == "busybox:bad"
    await set_image(shop, "busybox:bad")
    await shop.until_all(REPLICA_SETS, lambda found: sorted(one["spec"]["replicas"] for one in found) == [4, 6])
    await change(shop, {"spec": {"replicas": 16}})
    await shop.until_all(REPLICA_SETS, lambda found: sorted(one["spec"]["replicas"] for one in found) == [8, 12])


async def test_old_revisions_go_beyond_the_limit(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DEPLOYMENTS, deployment(1, revisionHistoryLimit=1))
    for number in range(1, 5):
        await set_image(shop, f"busybox:{number}")
        await settled(shop)
    await shop.until_all(REPLICA_SETS, lambda found: len(found) == 2)
    revisions = sorted(one["metadata"]["annotations"]["deployment.kubernetes.io/revision"] for one in await _sets(shop))
    assert revisions == ["3", "4"]


async def test_a_name_that_is_taken_gives_another_hash(shop: Cluster, kubelet: Kubelet) -> None:
    wanted = await shop.client.create(DEPLOYMENTS, deployment(0))
    await settled(shop)
    (first,) = await _sets(shop)
    taken = new_replica_set(wanted, {"uid": "x"}, 0, 1, 1)
    assert meta.name(taken) == meta.name(first)
    await shop.client.delete(DEPLOYMENTS, "web", "shop")
    await shop.client.delete(REPLICA_SETS, meta.name(first), "shop")
    await shop.until_gone(REPLICA_SETS, meta.key(first))
    del taken["metadata"]["ownerReferences"]
    taken["metadata"]["labels"] = {"other": "x"}
    taken["spec"]["selector"] = {"matchLabels": {"other": "x"}}
    taken["spec"]["template"]["metadata"]["labels"] = {"other": "x"}
    await shop.client.create(REPLICA_SETS, taken)
    await shop.client.create(DEPLOYMENTS, deployment(0))
    found = await shop.until(DEPLOYMENTS, "shop/web", lambda one: (one.get("status") or {}).get("collisionCount") == 1)
    await shop.until_all(REPLICA_SETS, lambda sets: any(meta.controlled_by(one, found) for one in sets))


async def test_nothing_is_written_when_nothing_changes(shop: Cluster, kubelet: Kubelet) -> None:
    """A fleet at rest costs nothing: looking at it again changes no object."""
    await shop.client.create(DEPLOYMENTS, deployment())
    found = await settled(shop)
    versions = [meta.version(one) for one in (*await _sets(shop), *shop.pods(app="web"))]
    await change(shop, {"metadata": {"labels": {"look": "again"}}})
    other = deployment(0)
    other["metadata"]["name"] = "other"
    other["spec"]["selector"] = {"matchLabels": {"app": "other"}}
    other["spec"]["template"] = template("other")
    await shop.client.create(DEPLOYMENTS, other)
    await shop.until(DEPLOYMENTS, "shop/other", lambda one: _reason(one) == "NewReplicaSetAvailable")
    kept = [one for one in await _sets(shop) if meta.controlled_by(one, found)]
    assert [meta.version(one) for one in (*kept, *shop.pods(app="web"))] == versions


async def test_another_strategy_in_the_middle_of_a_rollout(shop: Cluster, kubelet: Kubelet) -> None:
    await shop.client.create(DEPLOYMENTS, deployment())
    await settled(shop)
    kubelet.broken = lambda pod: _image(pod) == "busybox:bad"
    await set_image(shop, "busybox:bad")
    await shop.until_all(REPLICA_SETS, lambda found: sorted(one["spec"]["replicas"] for one in found) == [1, 3])
    await change(shop, {"spec": {"replicas": 5, "strategy": {"type": "Recreate", "rollingUpdate": None}}})
    await shop.until_all(REPLICA_SETS, lambda found: sorted(one["spec"]["replicas"] for one in found) == [0, 5])
    await shop.until_all(PODS, lambda found: [_image(pod) for pod in found] == ["busybox:bad"] * 5)
