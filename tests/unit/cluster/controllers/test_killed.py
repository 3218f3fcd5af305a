"""The platform's controllers are killed after any number of writes; those that come after finish what was begun."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from corral.cluster.apiserver.certificates import pki
from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, NAMESPACES, NODES, PODS
from corral.cluster.controllers import platform
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.nodeipam.allocate import cidrs_of
from corral.cluster.controllers.platform import Means
from corral.cluster.controllers.resources import CONFIG_MAPS, SLICES, VOLUMES
from corral.cluster.controllers.shared import Shared
from corral.daemon.cluster_means import means
from tests.support.mortal import life
from tests.support.world import World, working

READY = {"conditions": [{"type": "Ready", "status": "True"}]}
FOR_EVER = 10_000


async def furnish(world: World) -> None:
    await world.node("n1", status=READY)
    await world.namespace("a")
    await world.service("web", "a", type="LoadBalancer")
    for n in range(3):
        pod = await world.pod(f"web-{n}", "a", labels={"app": "web"}, spec={"nodeName": "n1"})
        await world.running(pod, f"10.244.0.{n + 2}")
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    notes = {"volume.kubernetes.io/selected-node": "n1"}
    await world.create(CLAIMS, {"metadata": {"name": "data", "annotations": notes}, "spec": claim}, "a")
    top = await world.create(CONFIG_MAPS, {"metadata": {"name": "top", "finalizers": ["foregroundDeletion"]}}, "a")
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "top", "uid": meta.uid(top), "blockOwnerDeletion": True}
    for name in ("one", "two"):
        await world.create(CONFIG_MAPS, {"metadata": {"name": name, "ownerReferences": [owner]}}, "a")
    await world.client.delete(CONFIG_MAPS, "top", "a", options={"propagationPolicy": "Foreground"})


async def check_furnished(world: World, folder: Path) -> None:
    slices = (await world.client.list(SLICES, "a")).items
    held = sorted(one["addresses"][0] for part in slices for one in part["endpoints"])
    assert held == ["10.244.0.2", "10.244.0.3", "10.244.0.4"]
    assert {meta.name(one) for one in (await world.client.list(CONFIG_MAPS, "a")).items} == {"kube-root-ca.crt"}
    assert (await world.client.get(CLAIMS, "data", "a"))["status"]["phase"] == "Bound"
    assert len((await world.client.list(VOLUMES)).items) == len(list((folder / "volumes").iterdir())) == 1
    assert cidrs_of(await world.client.get(NODES, "n1")) == ["10.244.0.0/24"]


@pytest.mark.parametrize("writes", [1, 2, 3, 5, 8, 13, 21, 34])
async def test_what_was_begun_is_finished(writes: int, tmp_path: Path) -> None:
    keys = pki.ensure(tmp_path / "pki", ("localhost",), int(time.time()))
    async with working() as world:
        given: Means = means(world.api, keys, tmp_path)

        def make(shared: Shared) -> list[Controller]:
            return platform.make(shared, given)

        await furnish(world)
        for _ in range(3):
            await life(world, make, writes)
        assert not await life(world, make, FOR_EVER)
        await check_furnished(world, tmp_path)
        await world.client.delete(NAMESPACES, "a")
        for pod in range(3):  # as a kubelet says that they have ended
            await world.client.delete(PODS, f"web-{pod}", "a", options={"gracePeriodSeconds": 0})
        for _ in range(3):
            await life(world, make, writes)
        assert not await life(world, make, FOR_EVER)
        assert [meta.name(one) for one in (await world.client.list(NAMESPACES)).items if meta.name(one) == "a"] == []
        assert (await world.client.list(VOLUMES)).items == []
        assert list((tmp_path / "volumes").iterdir()) == []
