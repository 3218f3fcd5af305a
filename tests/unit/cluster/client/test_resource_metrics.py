"""What autoscalers are told of the pods that they ask for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from corral.cluster.client.builtin import PODS
from corral.cluster.client.informer import Informer
from corral.cluster.client.metrics import Unavailable
from corral.cluster.client.resource_metrics import ResourceMetrics
from corral.cluster.client.usage import Meters, PodUsage, Report, Used
from corral.kit.tasks import Tasks
from corral.model.kubernetes.selectors import parse
from tests.support.fake_client import FakeClient

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Fixed:
    """Every pod of these names uses a quarter of a core."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def measure(self) -> Report:
        containers = {"main": Used(200_000_000, 3000), "side": Used(50_000_000, 1000)}
        keys = (name.split("/") for name in self.names)
        return Report((), tuple(PodUsage(*key, NOW, 15.0, containers) for key in keys))


@pytest.fixture
async def pods() -> AsyncIterator[Informer]:
    client = FakeClient()
    for namespace, name, app in (("shop", "a", "web"), ("shop", "b", "api"), ("other", "c", "web")):
        pod = {"metadata": {"name": name, "namespace": namespace, "labels": {"app": app}}, "spec": {}}
        client.put(PODS, pod)
    informer, tasks = Informer(client.client, PODS), Tasks()
    tasks.start("pods", informer.run())
    await informer.synced.wait()
    yield informer
    await tasks.close()


async def test_of_the_pods_that_are_meant(pods: Informer) -> None:
    meters = Meters()
    meters.add("n1", Fixed("shop/a", "shop/b", "other/c", "shop/gone"))
    metrics = ResourceMetrics(meters, pods)
    assert {k: v.value for k, v in (await metrics.resource("cpu", "shop", parse("app=web"))).items()} == {"a": 250}
    found = await metrics.resource("memory", "shop", parse(""), "side")
    assert {name: one.value for name, one in found.items()} == {"a": 1_000_000, "b": 1_000_000}
    assert found["a"].at == NOW and found["a"].window == 15.0
    with pytest.raises(Unavailable, match="container x not present in metrics for pod shop/a"):
        await metrics.resource("cpu", "shop", parse("app=web"), "x")
    for resource, selector in (("cpu", "app=db"), ("example.com/gpu", "app=web")):
        with pytest.raises(Unavailable, match="no metrics returned from resource metrics API"):
            await metrics.resource(resource, "shop", parse(selector))


async def test_where_nobody_measures(pods: Informer) -> None:
    with pytest.raises(Unavailable, match="could not find the requested resource"):
        await ResourceMetrics(Meters(), pods).resource("cpu", "shop", parse("app=web"))
