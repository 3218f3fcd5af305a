"""Autoscalers on a real API server, with metrics that the test makes up."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import AUTOSCALERS, DEPLOYMENTS
from corral.cluster.client.metrics import NoMetrics, Unavailable, Usage
from tests.support.workloads import Cluster, Kubelet, Object, cluster, running, template

NAMES = ("deployment-controller", "replicaset-controller", "horizontal-pod-autoscaler-controller")


class Meter(NoMetrics):
    """Every ready pod uses `cpu` thousandths; None: nobody knows."""

    def __init__(self, shop: Cluster) -> None:
        self.shop = shop
        self.cpu: int | None = 100

    async def resource(self, name: str, namespace: str, selector: Any, container: str = "") -> dict[str, Usage]:
        if self.cpu is None:
            raise Unavailable("no metrics returned from resource metrics API")
        return {meta.name(pod): Usage(self.cpu, self.shop.now(), 0) for pod in self.shop.pods(app="web")}

    async def external(self, metric: Mapping[str, Any], namespace: str) -> list[int]:
        return [4500, 500]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with cluster(tmp_path, NAMES) as found, running(Kubelet(found)):
        found.shared.metrics = Meter(found)
        resources = {"resources": {"requests": {"cpu": "100m"}}}
        wanted = template("web")
        wanted["spec"]["containers"][0] |= resources
        spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": wanted}
        await found.client.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "shop"}, "spec": spec})
        await found.until(DEPLOYMENTS, "shop/web", lambda one: (one.get("status") or {}).get("availableReplicas") == 2)
        yield found


CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}


async def autoscaler(shop: Cluster, *metrics: Object, **spec: Any) -> None:
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    wanted = {"scaleTargetRef": ref, "minReplicas": 1, "maxReplicas": 10, "metrics": list(metrics or (CPU,)), **spec}
    await shop.client.create(AUTOSCALERS, {"metadata": {"name": "web", "namespace": "shop"}, "spec": wanted})


async def sized(shop: Cluster, count: int) -> Object:
    return await shop.until(DEPLOYMENTS, "shop/web", lambda one: one["spec"]["replicas"] == count)


async def said(shop: Cluster, type: str, reason: str) -> Object:
    def holds(one: Object) -> bool:
        found = (one.get("status") or {}).get("conditions") or ()
        return any((c["type"], c.get("reason")) == (type, reason) for c in found)

    found = await shop.until(AUTOSCALERS, "shop/web", holds)
    return next(c for c in found["status"]["conditions"] if c["type"] == type)


async def look(shop: Cluster, seconds: float, most: int) -> None:
    """Time goes by, and the edit of the autoscaler makes it look at once."""
    shop.ahead += timedelta(seconds=seconds)
    await shop.client.patch(AUTOSCALERS, "web", "shop", patch={"spec": {"maxReplicas": most}})


async def test_a_fleet_grows_with_its_work_and_shrinks_late(shop: Cluster) -> None:
    await autoscaler(shop)  # 100 % used of which 50 % should be: twice as many
    await sized(shop, 4)
    await shop.told(
        "web", "SuccessfulRescale", "New size: 4; reason: cpu resource utilization (percentage of request) above target"
    )
    assert (await said(shop, "ScalingActive", "ValidMetricFound"))["status"] == "True"
    found = await shop.until(AUTOSCALERS, "shop/web", lambda one: bool((one.get("status") or {}).get("currentMetrics")))
    assert found["status"]["currentMetrics"][0]["resource"]["current"] == {
        "averageUtilization": 100,
        "averageValue": "100m",
    }
    await shop.until(DEPLOYMENTS, "shop/web", lambda one: one["status"].get("availableReplicas") == 4)
    shop.shared.metrics.cpu = 5  # type: ignore[attr-defined]
    await look(shop, 60, 11)
    text = (await said(shop, "AbleToScale", "ScaleDownStabilized"))["message"]
    assert text == "recent recommendations were higher than current one, applying the highest recent recommendation"
    await look(shop, 400, 12)
    await sized(shop, 1)


async def test_nobody_measures_so_nothing_moves(shop: Cluster) -> None:
    shop.shared.metrics.cpu = None  # type: ignore[attr-defined]
    await autoscaler(shop)
    condition = await said(shop, "ScalingActive", "FailedGetResourceMetric")
    assert condition["message"] == (
        "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for "
        "resource cpu: no metrics returned from resource metrics API"
    )
    assert (await shop.client.get(DEPLOYMENTS, "web", "shop"))["spec"]["replicas"] == 2


async def test_bounds_come_before_metrics(shop: Cluster) -> None:
    await autoscaler(shop, minReplicas=5)
    await sized(shop, 5)
    await shop.told(
        "web", "SuccessfulRescale", "New size: 5; reason: Current number of replicas below Spec.MinReplicas"
    )


async def test_an_external_value_is_shared(shop: Cluster) -> None:
    target = {"type": "AverageValue", "averageValue": "1"}
    await autoscaler(shop, {"type": "External", "external": {"metric": {"name": "queue"}, "target": target}})
    await sized(shop, 5)


async def test_what_is_not_there_cannot_be_scaled(shop: Cluster) -> None:
    await autoscaler(shop, scaleTargetRef={"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"})
    condition = await said(shop, "AbleToScale", "FailedGetScale")
    assert 'deployments.apps "other" not found' in condition["message"]
