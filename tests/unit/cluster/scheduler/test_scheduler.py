"""The scheduler at work, against the real API server in this process."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import BUDGETS, CLAIMS, EVENTS, NODES, PODS, SERVICES
from corral.cluster.client.events import Events
from corral.cluster.client.informer import Informer
from corral.cluster.client.informers import Informers
from corral.cluster.client.protocol import STRATEGIC_MERGE_PATCH, Client, Collection
from corral.cluster.scheduler.cycle import Decision
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.scheduler import Scheduler
from corral.cluster.scheduler.settings import Profile, Settings
from corral.cluster.scheduler.storage.storage import SELECTED_NODE
from corral.model.kubernetes.status import StatusError
from tests.support.apiserver import admin, api_server
from tests.support.scheduling import node, pod

Object = dict[str, Any]
Found = TypeVar("Found")

VOLUMES = Collection("", "v1", "persistentvolumes")
CLASSES = Collection("storage.k8s.io", "v1", "storageclasses")
PRIORITIES = Collection("scheduling.k8s.io", "v1", "priorityclasses")


class World:
    """A cluster without anybody but the scheduler."""

    def __init__(self, client: Client, settings: Settings) -> None:
        self.client = client
        self.informers = Informers(client)
        self.pods = self.informers.of(PODS)
        self.events = Events(client)
        recorder = self.events.recorder("default-scheduler")
        self.scheduler = Scheduler(client, self.informers, recorder, settings, drawn=random.Random(1))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for part in (self.informers.run(), self.events.run(), self.scheduler.run()):
                group.create_task(part)

    async def node(self, name: str, labels: Any = None, **more: Any) -> None:
        made = node(name, labels, **more)
        await self.client.create(NODES, made)

    async def pod(self, name: str, *args: Any, **more: Any) -> Object:
        made = pod(name, *args, **more)
        del made["metadata"]["uid"], made["status"]
        return await self.client.create(PODS, made)

    async def when(self, of: Collection, holds: Callable[[Informer], Found | None]) -> Found:
        """What `holds` finds in the copy of a collection, as soon as that is something."""
        changed, informer = asyncio.Event(), self.informers.of(of)
        informer.on_change(lambda old, new: changed.set())
        async with asyncio.timeout(60):
            while not (found := holds(informer)):
                changed.clear()
                await changed.wait()
        return found

    async def until(self, name: str, holds: Callable[[Object], Any]) -> Object:
        """The pod, once it is as wanted."""

        def look(pods: Informer) -> Object | None:
            found = pods.get(f"default/{name}")
            return found if found is not None and holds(found) else None

        return await self.when(PODS, look)

    async def placed(self, name: str) -> str:
        return (await self.until(name, lambda found: found["spec"].get("nodeName")))["spec"]["nodeName"]

    async def refused(self, name: str) -> Object:
        return condition(await self.until(name, lambda found: condition(found).get("status") == "False"))

    async def told(self) -> set[tuple[str, str, str]]:
        await self.events.drained()
        listed = (await self.client.list(EVENTS)).items
        return {(one["reason"], one["involvedObject"]["name"], one["message"]) for one in listed}


def condition(found: Object) -> Object:
    listed = (found.get("status") or {}).get("conditions") or ()
    return next((one for one in listed if one["type"] == "PodScheduled"), {})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    profiles = (Profile(), Profile("second", no_filter=frozenset(("NodeResourcesFit",))))
    async with api_server(tmp_path) as api:
        made = World(admin(api), Settings(profiles=profiles))
        running = asyncio.create_task(made.run())
        yield made
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_pod_gets_a_node_and_an_event_tells(world: World) -> None:
    await world.node("node-1")
    await world.pod("web", requests={"cpu": "1"})
    assert await world.placed("web") == "node-1"
    found = world.pods.get("default/web")
    assert found is not None and condition(found)["status"] == "True"
    event = await world.when(EVENTS, lambda events: next(iter(events.all()), None))
    assert (event["reason"], event["message"]) == ("Scheduled", "Successfully assigned default/web to node-1")
    assert (event["type"], event["action"], event["reportingComponent"]) == ("Normal", "Binding", "default-scheduler")


async def test_who_fits_nowhere_learns_why_and_comes_when_there_is_room(world: World) -> None:
    await world.node("node-1", taints=[("k", "v", "NoSchedule")])
    await world.node("node-2", cpu="1")
    await world.pod("web", requests={"cpu": "2"})
    text = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s). "
    text += "no new claims to deallocate, "
    text += "preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    refused = await world.refused("web")
    assert (refused["reason"], refused["message"]) == ("Unschedulable", text)
    assert ("FailedScheduling", "web", text) in await world.told()
    await world.node("node-3", cpu="2")
    assert await world.placed("web") == "node-3"


async def test_no_node_at_all(world: World) -> None:
    await world.pod("web")
    assert (await world.refused("web"))["message"] == "no nodes available to schedule pods"
    await world.node("node-1")
    assert await world.placed("web") == "node-1"


async def test_gates_hold_a_pod_back(world: World) -> None:
    await world.node("node-1")
    await world.pod("gated", schedulingGates=[{"name": "example.com/wait"}])
    await world.pod("free")
    await world.placed("free")
    gated = world.pods.get("default/gated")
    assert gated is not None and "nodeName" not in gated["spec"]
    assert condition(gated)["reason"] == "SchedulingGated"
    await world.client.patch(PODS, "gated", "default", patch={"spec": {"schedulingGates": None}})
    assert await world.placed("gated") == "node-1"


async def test_other_schedulers_pods_are_left_alone_and_profiles_differ(world: World) -> None:
    await world.node("node-1", cpu="1")
    await world.pod("foreign", schedulerName="somebody-else")
    await world.pod("second", schedulerName="second", requests={"cpu": "64"})
    assert await world.placed("second") == "node-1"
    event = await world.when(EVENTS, lambda events: next(iter(events.all()), None))
    assert (event["reason"], event["reportingComponent"]) == ("Scheduled", "second")  # its profile tells
    foreign = world.pods.get("default/foreign")
    assert foreign is not None and not condition(foreign)


async def test_room_is_not_given_twice(world: World) -> None:
    """All are decided upon before the first binding is heard of."""
    for number in range(3):
        await world.node(f"node-{number}", cpu="2")
    await asyncio.gather(*(world.pod(f"web-{number}", requests={"cpu": "1"}) for number in range(8)))
    await world.when(PODS, lambda pods: sum(bool(condition(one)) for one in pods.all()) == 8)
    nodes = [one["spec"].get("nodeName") for one in world.pods.all()]
    assert sorted(map(str, nodes)) == ["None"] * 2 + ["node-0"] * 2 + ["node-1"] * 2 + ["node-2"] * 2


async def test_a_more_important_pod_drives_others_out(world: World) -> None:
    for name, value in (("low", 1), ("high", 1000)):
        await world.client.create(PRIORITIES, {"metadata": {"name": name}, "value": value})
    await world.node("node-1", cpu="2")
    await world.node("node-2", cpu="2")
    for number in (1, 2):
        await world.pod(f"small-{number}", {"app": f"s{number}"}, requests={"cpu": "2"}, priority=1)
        await world.placed(f"small-{number}")
    guarded, free = (await world.placed("small-1")), (await world.placed("small-2"))
    assert guarded != free
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "s1"}}}
    await world.client.create(BUDGETS, {"metadata": {"name": "b", "namespace": "default"}, "spec": spec})
    preemptor = await world.pod("big", requests={"cpu": "2"}, priority=1000)
    victim = await world.until("small-2", meta.deleting)
    reasons = {one["type"]: one for one in victim["status"]["conditions"]}
    assert reasons["DisruptionTarget"]["reason"] == "PreemptionByScheduler"
    assert reasons["DisruptionTarget"]["message"] == (
        "default-scheduler: preempting to accommodate a higher priority pod"
    )
    waiting = await world.until("big", lambda found: found["status"].get("nominatedNodeName"))
    assert waiting["status"]["nominatedNodeName"] == free
    await world.client.delete(PODS, "small-2", "default", options={"gracePeriodSeconds": 0})  # as a kubelet does
    assert await world.placed("big") == free
    told = await world.told()
    assert ("Preempted", "small-2", f"Preempted by pod {meta.uid(preemptor)} on node {free}") in told
    still = world.pods.get("default/small-1")
    assert still is not None and not meta.deleting(still)


async def test_a_binding_that_fails_gives_the_room_back(world: World) -> None:
    await world.node("node-1", cpu="2")
    real = world.client.create
    failures = []

    async def create(of: Collection, obj: Object, namespace: str = "", *, subresource: str = "") -> Object:
        if subresource == "binding" and not failures:
            failures.append(obj)
            raise StatusError(500, "InternalError", "no")
        return await real(of, obj, namespace, subresource=subresource)

    world.client.create = create  # type: ignore[method-assign]
    await world.pod("web", requests={"cpu": "2"})
    refused = await world.refused("web")
    assert (refused["reason"], refused["message"]) == ("SchedulerError", 'running Bind plugin "DefaultBinder": no')
    assert await world.placed("web") == "node-1"


async def test_a_volume_that_cannot_be_had_at_the_node(world: World) -> None:
    await world.node("node-1")
    kind = {"provisioner": "example.com/p", "volumeBindingMode": "WaitForFirstConsumer"}
    await world.client.create(CLASSES, {"metadata": {"name": "local"}, **kind})
    spec = {"storageClassName": "local", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}}}
    await world.client.create(CLAIMS, {"metadata": {"name": "data", "namespace": "default"}, "spec": spec})
    await world.pod("db", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])

    def chosen(claims: Any) -> Any:
        return claims.all() and SELECTED_NODE in (next(iter(claims.all()))["metadata"].get("annotations") or {})

    await world.when(CLAIMS, chosen)
    await world.client.patch(CLAIMS, "data", "default", patch={"metadata": {"annotations": {SELECTED_NODE: None}}})
    refused = await world.refused("db")
    failed = 'running PreBind plugin "VolumeBinding": binding volumes: provisioning failed for PVC "data"'
    assert (refused["reason"], refused["message"]) == ("SchedulerError", failed)
    await world.when(CLAIMS, chosen)  # it is tried again
    await world.client.delete(CLAIMS, "data", "default")
    text = 'running PreBind plugin "VolumeBinding": binding volumes: failed to check provisioning pvc: could not find '
    text += 'v1.PersistentVolumeClaim "default/data"'
    await world.when(EVENTS, lambda events: any(one.get("note", one.get("message")) == text for one in events.all()))


async def test_one_pod_that_cannot_be_read_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from corral.cluster.scheduler import engine

    real = engine.Engine.decide

    def decide(self: engine.Engine, asked: Pod) -> Decision:
        if asked.name == "odd":
            raise ValueError("odd")
        return real(self, asked)

    monkeypatch.setattr(engine.Engine, "decide", decide)
    await world.node("node-1")
    await world.pod("odd")
    await world.pod("web")
    assert await world.placed("web") == "node-1"
    refused = await world.refused("odd")
    assert (refused["reason"], refused["message"]) == ("SchedulerError", "internal error: odd")


async def test_spread_by_default_with_the_services_pods(world: World) -> None:
    for number in range(2):
        await world.node(f"node-{number}")
    service = {"selector": {"app": "web"}, "ports": [{"port": 80}]}
    await world.client.create(SERVICES, {"metadata": {"name": "web", "namespace": "default"}, "spec": service})
    for number in range(4):
        await world.pod(f"web-{number}", {"app": "web"})
        await world.placed(f"web-{number}")
    nodes = sorted(one["spec"]["nodeName"] for one in world.pods.all())
    assert nodes == ["node-0", "node-0", "node-1", "node-1"]


async def test_a_claim_waits_for_its_pod_and_gets_a_volume_at_its_node(world: World) -> None:
    await world.node("node-1")
    kind = {"provisioner": "example.com/p", "volumeBindingMode": "WaitForFirstConsumer"}
    await world.client.create(CLASSES, {"metadata": {"name": "local"}, **kind})
    spec = {
        "storageClassName": "local",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
    }
    claim = {"metadata": {"name": "data", "namespace": "default"}, "spec": spec}
    await world.client.create(CLAIMS, claim)
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]
    await world.pod("db", volumes=volumes)
    chosen = await world.when(
        CLAIMS, lambda claims: claims.all() and next(iter(claims.all()))["metadata"].get("annotations")
    )
    assert chosen[SELECTED_NODE] == "node-1"
    waiting = world.pods.get("default/db")
    assert waiting is not None and "nodeName" not in waiting["spec"]
    volume = {**spec, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/x"}}
    del volume["resources"]
    await world.client.create(VOLUMES, {"metadata": {"name": "pv"}, "spec": volume})
    bound = {"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}, "spec": {"volumeName": "pv"}}
    await world.client.patch(CLAIMS, "data", "default", patch=bound)
    assert await world.placed("db") == "node-1"


async def test_a_claim_that_is_not_there(world: World) -> None:
    await world.node("node-1")
    await world.pod("db", volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}])
    assert (await world.refused("db"))["message"] == (
        '0/1 nodes are available: persistentvolumeclaim "data" not found. not found'
    )


async def test_labels_that_change_make_a_node_right(world: World) -> None:
    await world.node("node-1")
    await world.pod("web", nodeSelector={"disk": "ssd"})
    await world.refused("web")
    patch = {"metadata": {"labels": {"disk": "ssd"}}}
    await world.client.patch(NODES, "node-1", patch=patch, type=STRATEGIC_MERGE_PATCH)
    assert await world.placed("web") == "node-1"


def test_numpy_is_not_loaded_before_there_is_a_pod() -> None:
    code = "import sys, corral.cluster.scheduler.scheduler; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": os.pathsep.join(sys.path)}).returncode == 0
