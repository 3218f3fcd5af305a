"""All controllers of the platform at once: they leave each other in peace, and come to rest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from corral.cluster.apiserver.certificates import pki
from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, NAMESPACES, PODS, SERVICES
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.platform import PLATFORM
from corral.cluster.controllers.resources import CONFIG_MAPS, ENDPOINTS, SERVICE_ACCOUNTS, SLICES, VOLUMES
from corral.daemon.cluster_means import means
from tests.support.world import Make, World, working


def everything(folder: Path) -> list[Make]:
    keys = pki.ensure(folder / "pki", ("localhost",), int(time.time()))

    def maker(name: str) -> Callable[[World], Controller]:
        return lambda world: PLATFORM[name](world.shared, means(world.api, keys, folder))

    return [maker(name) for name in PLATFORM]


def names(found: list[Any]) -> list[str]:
    return sorted(meta.key(one) for one in found)


async def test_each_is_called_by_its_name(tmp_path: Path) -> None:
    async with working() as world:
        keys = pki.ensure(tmp_path / "pki", ("localhost",), int(time.time()))
        given = means(world.api, keys, tmp_path)
        for name, make in PLATFORM.items():
            assert make(world.shared, given).name == name


async def test_a_namespace_is_furnished_used_and_gone(tmp_path: Path) -> None:
    async with working(*everything(tmp_path)) as world:
        addresses = [{"type": "InternalIP", "address": "192.0.2.1"}]
        ready = {"addresses": addresses, "conditions": [{"type": "Ready", "status": "True"}]}
        await world.node("n1", status=ready)
        await world.namespace("a")
        await world.until(SERVICE_ACCOUNTS, lambda found: "a/default" in names(found))
        await world.until(CONFIG_MAPS, lambda found: "a/kube-root-ca.crt" in names(found))
        await world.service("web", "a", type="LoadBalancer")
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
        await world.create(CLAIMS, {"metadata": {"name": "data"}, "spec": spec}, "a")
        volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        pod = await world.pod("web-1", "a", labels={"app": "web"}, spec={"nodeName": "n1", "volumes": volumes})
        notes = {"annotations": {"volume.kubernetes.io/selected-node": "n1"}}
        await world.client.patch(CLAIMS, "data", "a", patch={"metadata": notes})
        await world.running(pod, "10.244.0.2")
        await world.until_one(CLAIMS, "data", lambda one: one["status"]["phase"] == "Bound", "a")
        await world.until(SLICES, lambda found: any(one["endpoints"] for one in found), "a")
        await world.until_one(ENDPOINTS, "web", lambda one: one["subsets"], "a")
        await world.until_one(SERVICES, "web", lambda one: one["status"]["loadBalancer"]["ingress"], "a")
        await world.client.delete(NAMESPACES, "a")
        await world.until_one(PODS, "web-1", meta.deleting, "a")
        await world.client.delete(PODS, "web-1", "a", options={"gracePeriodSeconds": 0})
        await world.until_gone(NAMESPACES, "a")
        await world.until(VOLUMES, lambda found: not found)
        assert list((tmp_path / "volumes").iterdir()) == []


async def test_they_come_to_rest(tmp_path: Path) -> None:
    made: list[Controller] = []

    def kept(make: Make) -> Make:
        def keep(world: World) -> Controller:
            made.append(make(world))  # type: ignore[arg-type,call-arg]
            return made[-1]

        return keep

    async with working(*map(kept, everything(tmp_path))) as world:
        await world.node("n1", status={"conditions": [{"type": "Ready", "status": "True"}]})
        await world.service("web", type="LoadBalancer")
        pod = await world.pod("web-1", labels={"app": "web"}, spec={"nodeName": "n1"})
        await world.running(pod, "10.244.0.2")
        await world.until_one(ENDPOINTS, "web", lambda one: one["subsets"])
        await world.calm(*made)
        before = world.api.core.store.revision
        await world.client.patch(PODS, "web-1", "default", patch={"metadata": {"annotations": {"a": "b"}}})
        await world.calm(*made)
        assert world.api.core.store.revision == before + 1
