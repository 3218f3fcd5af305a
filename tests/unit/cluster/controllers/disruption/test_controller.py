"""Budgets on a real API server: counted, charged by evictions, and counted again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import BUDGETS, DEPLOYMENTS, PODS
from corral.cluster.controllers.disruption.counting import Need, needs_scale, plan_need
from corral.model.kubernetes.status import StatusError
from tests.support.workloads import Cluster, Kubelet, Object, cluster, running, template

NAMES = ("deployment-controller", "replicaset-controller", "disruption-controller")


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, NAMES) as found, running(Kubelet(found)):
        selector = {"matchLabels": {"app": "web"}}
        spec = {"replicas": 3, "selector": selector, "template": template("web")}
        await found.client.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
        yield found


async def budget(shop: Cluster, **spec: Any) -> None:
    wanted = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    await shop.client.create(BUDGETS, {"metadata": {"name": "web", "namespace": "shop"}, "spec": wanted})


async def allowed(shop: Cluster, count: int, **more: int) -> Object:
    def holds(one: Object) -> bool:
        status = one.get("status") or {}
        counts = {"disruptionsAllowed": count, "observedGeneration": one["metadata"]["generation"], **more}
        return all(status.get(key) == value for key, value in counts.items())

    return await shop.until(BUDGETS, "shop/web", holds)


async def evict(shop: Cluster, pod: Object) -> None:
    eviction = {"metadata": {"name": meta.name(pod), "namespace": "shop"}}
    await shop.client.create(PODS, eviction, "shop", subresource="eviction")


async def test_evictions_are_allowed_one_by_one(shop: Cluster) -> None:
    await budget(shop, maxUnavailable=1)
    found = await allowed(shop, 1, currentHealthy=3, desiredHealthy=2, expectedPods=3)
    assert [(c["type"], c["status"], c["reason"]) for c in found["status"]["conditions"]] == [
        ("DisruptionAllowed", "True", "SufficientPods")
    ]
    first, second, _ = shop.pods(app="web")
    await evict(shop, first)
    with pytest.raises(StatusError) as refused:
        await evict(shop, second)
    assert refused.value.code == 429
    await shop.until_gone(PODS, meta.key(first))
    await allowed(shop, 1, currentHealthy=3)


async def test_a_percentage_is_of_what_is_wanted(shop: Cluster) -> None:
    await budget(shop, minAvailable="50%")
    await allowed(shop, 1, desiredHealthy=2, expectedPods=3)
    await shop.client.patch(DEPLOYMENTS, "web", "shop", patch={"spec": {"replicas": 5}})
    await allowed(shop, 2, desiredHealthy=3, expectedPods=5)


async def test_a_budget_that_says_nothing_is_of_no_pods(shop: Cluster) -> None:
    """Also one that has been stored without a spec."""
    await shop.client.create(BUDGETS, {"metadata": {"name": "web", "namespace": "shop"}})
    await allowed(shop, 0, currentHealthy=0, desiredHealthy=0, expectedPods=0)
    assert plan_need({"metadata": {"name": "old"}}, 3, 3) == Need(3, 0) and not needs_scale({})


async def test_pods_of_nobody_known_allow_nothing(shop: Cluster) -> None:
    owner = {"apiVersion": "example.com/v1", "kind": "Herd", "name": "h", "uid": "u", "controller": True}
    metadata = {"name": "lone", "namespace": "shop", "labels": {"app": "lone"}, "ownerReferences": [owner]}
    await shop.client.create(PODS, {"metadata": metadata, "spec": template("lone")["spec"]})
    spec = {"selector": {"matchLabels": {"app": "lone"}}, "maxUnavailable": 1}
    await shop.client.create(BUDGETS, {"metadata": {"name": "lone", "namespace": "shop"}, "spec": spec})
    found = await shop.until(BUDGETS, "shop/lone", lambda one: bool((one.get("status") or {}).get("conditions")))
    (condition,) = found["status"]["conditions"]
    assert condition["reason"] == "SyncFailed"
    assert condition["message"] == 'no matches for kind "Herd" in version "example.com/v1"'


async def test_a_target_that_was_spared_is_told_so(shop: Cluster) -> None:
    pod = await shop.until_all(PODS, lambda pods: next((p for p in pods if _ready(p)), None))
    target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    target["lastTransitionTime"] = (shop.now() - timedelta(minutes=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    live = await shop.client.get(PODS, meta.name(pod), "shop")
    status = {**live["status"], "conditions": [*live["status"]["conditions"], target]}
    await shop.client.update(PODS, {**live, "status": status}, subresource="status")
    await shop.until(PODS, meta.key(pod), lambda one: _condition(one, "DisruptionTarget") == "False")


def _condition(pod: Object, type: str) -> str:
    found = (pod.get("status") or {}).get("conditions") or ()
    return next((one["status"] for one in found if one["type"] == type), "")


def _ready(pod: Object) -> bool:
    return _condition(pod, "Ready") == "True"
