"""What pods use is measured on the real engine, and autoscalers act on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from corral.cluster.client.builtin import AUTOSCALERS, DEPLOYMENTS, PODS
from corral.cluster.client.protocol import Collection
from corral.cluster.client.resource_metrics import ResourceMetrics
from corral.cluster.client.usage import Meters, PodUsage
from corral.cluster.controllers.assembly import make, run_all
from corral.cluster.controllers.shared import Shared
from tests.support.kubelet import NODE, Node, Object, container, is_ready
from tests.support.wait import PATIENCE
from tests.support.workloads import Cluster

pytestmark = [pytest.mark.root, pytest.mark.timeout(150)]

CONTROLLERS = ("deployment-controller", "replicaset-controller", "horizontal-pod-autoscaler-controller")
BUSY = ["sh", "-c", "while :; do [ -e /tmp/idle ] && sleep 1; done"]  # idle: not even a program a second is much
MILLI = 10**6  # of a core, in billionths


async def pods(node: Node) -> dict[str, PodUsage]:
    return {one.name: one for one in (await node.kubelet.meter.measure()).pods}


async def test_a_busy_container_shows_its_limit_and_an_idle_one_nothing(node: Node) -> None:
    limited = {"resources": {"limits": {"cpu": "200m", "memory": "64Mi"}}}
    hoard = ["sh", "-c", "dd if=/dev/zero of=/dev/shm/x bs=1M count=20; touch /ready; sleep 1000"]
    ready = {"readinessProbe": {"exec": {"command": ["ls", "/ready"]}, "periodSeconds": 1}}
    busy = container("busy", command=BUSY, **limited)
    await node.create("work", busy, container("calm", command=["sleep", "1000"]))
    await node.create("hoard", container(command=hoard, **ready))
    for name in ("work", "hoard"):
        await node.running(name)
    found = await pods(node)
    work = found["work"].containers
    assert work.keys() == {"busy", "calm"}
    # A busy host may give it less, and it may begin with what it has saved up; never much more.
    assert 60 * MILLI <= work["busy"].cpu <= 260 * MILLI
    assert work["calm"].cpu < 20 * MILLI
    assert 20 << 20 <= found["hoard"].containers["main"].memory < 40 << 20
    assert all(0 < used.memory < 16 << 20 for used in work.values())
    usage = (await node.kubelet.meter.measure()).nodes[0]
    assert usage.name == NODE
    assert work["busy"].cpu <= usage.used.cpu <= node.kubelet.machine.cpus * 1100 * MILLI
    assert 20 << 20 < usage.used.memory < node.kubelet.machine.memory


@asynccontextmanager
async def autoscaling(node: Node, meters: Meters) -> AsyncIterator[Cluster]:
    """The controllers that a Deployment and its autoscaler need."""
    shared = Shared(node.client)
    shared.metrics = ResourceMetrics(meters, shared.informers.of(PODS))
    task = asyncio.create_task(run_all(shared, make(shared, CONTROLLERS)))
    try:
        yield Cluster(node.client, shared)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def deploy(node: Node) -> None:
    resources = {"resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "200m"}}}
    spec = {"nodeName": NODE, "terminationGracePeriodSeconds": 0, "containers": [container(command=BUSY, **resources)]}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    wanted = {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    await node.client.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "default"}, "spec": wanted})


def autoscaler() -> Object:
    target = {"type": "Utilization", "averageUtilization": 30}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
        "minReplicas": 1,
        "maxReplicas": 2,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
    }
    return {"metadata": {"name": "web", "namespace": "default"}, "spec": spec}


async def test_an_autoscaler_grows_a_fleet_under_load_and_shrinks_it_after(node: Node) -> None:
    meters = Meters()
    meters.add(NODE, node.kubelet.meter)
    async with autoscaling(node, meters) as fleet:
        await deploy(node)
        first = await fleet.until_all(PODS, lambda found: [pod for pod in found if is_ready(pod)])
        assert first[0]["metadata"]["name"] in await pods(node)  # so the autoscaler need not wait for its second look
        await node.client.create(AUTOSCALERS, autoscaler())
        await sized(fleet, 2)
        both = await fleet.until_all(PODS, lambda found: len(found) == 2 and all(map(is_ready, found)) and found)
        for pod in both:
            await node.ask(pod["metadata"]["name"], "touch", "/tmp/idle")
        await sized(fleet, 1)
        found = await node.client.get(AUTOSCALERS, "web", "default")
        assert found["status"]["desiredReplicas"] in (1, 2)


async def sized(fleet: Cluster, replicas: int) -> None:
    """The autoscaler looks every 15 seconds."""
    informer, there = fleet.shared.informers.of(DEPLOYMENTS), asyncio.Event()

    def look(old: Object | None, new: Object | None) -> None:
        if new is not None and new["spec"]["replicas"] == replicas:
            there.set()

    informer.on_change(look)
    for known in informer.all():
        look(None, known)
    async with asyncio.timeout(60 * PATIENCE):
        await there.wait()


async def test_what_is_measured_is_served(node: Node) -> None:
    meters = Meters()
    meters.add(NODE, node.kubelet.meter)
    await node.api.serve_metrics(meters)
    await node.create("web", container(command=["sleep", "1000"]), labels={"app": "web"})
    await node.running("web")
    nodes, served = (Collection("metrics.k8s.io", "v1beta1", plural) for plural in ("nodes", "pods"))
    assert (await node.client.get(nodes, NODE))["usage"]["memory"].endswith("i")
    listed = (await node.client.list(served, "default", label_selector="app=web")).items
    assert [one["metadata"]["name"] for one in listed] == ["web"]
    assert listed[0]["containers"][0]["usage"].keys() == {"cpu", "memory"}
    assert (await node.client.list(served, "default", label_selector="app=db")).items == []
