"""Pods with claims of devices, against the real API server and the real evaluator of expressions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.cel.devices import judge
from corral.cluster.apiserver.cel.process import Expressions
from corral.cluster.client import meta
from corral.cluster.client.builtin import DEVICE_CLASSES, NODES, PODS, RESOURCE_CLAIMS, RESOURCE_SLICES
from corral.cluster.scheduler.binder import BindingFailed
from corral.cluster.scheduler.settings import Settings
from corral.model.kubernetes.status import StatusError
from tests.support.apiserver import admin, api_server
from tests.unit.cluster.scheduler.test_scheduler import World

pytestmark = pytest.mark.timeout(120)

Object = dict[str, Any]

DRIVER = "gpu.example.com"
FAST = Settings(first_backoff=0.05, longest_backoff=0.1)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    expressions = Expressions()
    async with api_server(tmp_path) as api:
        world = World(admin(api), FAST)
        world.scheduler._judge = partial(judge, expressions)
        await world.client.create(RESOURCE_SLICES, offer("n1", 2))
        selects = [{"cel": {"expression": f'device.driver == "{DRIVER}"'}}]
        await world.client.create(DEVICE_CLASSES, {"metadata": {"name": "gpu"}, "spec": {"selectors": selects}})
        running = asyncio.create_task(world.run())
        await world.node("n1")
        await world.node("n2")
        try:
            yield world
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await expressions.close()


def offer(node: str, count: int) -> Object:
    devices = [{"name": f"gpu-{n}", "attributes": {"model": {"string": f"m{n}"}}} for n in range(count)]
    spec = {"driver": DRIVER, "nodeName": node, "pool": {"name": node, "resourceSliceCount": 1}, "devices": devices}
    return {"metadata": {"name": f"{node}-gpus"}, "spec": spec}


async def claim(world: World, name: str, **more: Any) -> Object:
    requests = [{"name": "gpu", "exactly": {"deviceClassName": "gpu", **more}}]
    made = {"metadata": {"name": name, "namespace": "default"}, "spec": {"devices": {"requests": requests}}}
    return await world.client.create(RESOURCE_CLAIMS, made)


def wants(claim: str) -> Object:
    return {"resourceClaims": [{"name": "gpu", "resourceClaimName": claim}]}


async def bound(world: World, name: str) -> Object:
    return await world.until(name, lambda one: one["spec"].get("nodeName"))


async def refused(world: World, name: str) -> str:
    def told(one: Object) -> Any:
        return any(each["type"] == "PodScheduled" for each in one["status"].get("conditions") or ())

    found = await world.until(name, told)
    return next(str(one["message"]) for one in found["status"]["conditions"] if one["type"] == "PodScheduled")


async def test_a_pod_goes_where_its_device_is(world: World) -> None:
    models = [{"cel": {"expression": f'device.attributes["{DRIVER}"].model == "m1"'}}]
    await claim(world, "one", selectors=models)
    made = await world.pod("web", **wants("one"))
    assert (await bound(world, "web"))["spec"]["nodeName"] == "n1"
    found = await world.client.get(RESOURCE_CLAIMS, "one", "default")
    assert found["metadata"]["finalizers"] == ["resource.kubernetes.io/delete-protection"]
    assert found["status"]["reservedFor"] == [{"resource": "pods", "name": "web", "uid": meta.uid(made)}]
    [result] = found["status"]["allocation"]["devices"]["results"]
    assert result == {"request": "gpu", "driver": DRIVER, "pool": "n1", "device": "gpu-1"}
    await world.pod("friend", **wants("one"))  # users may be several
    assert (await bound(world, "friend"))["spec"]["nodeName"] == "n1"
    found = await world.client.get(RESOURCE_CLAIMS, "one", "default")
    assert [one["name"] for one in found["status"]["reservedFor"]] == ["web", "friend"]


async def test_no_device_is_given_twice(world: World) -> None:
    for name in ("a", "b", "c"):
        await claim(world, name)
        await world.pod(name, **wants(name))
    await bound(world, "a")
    await bound(world, "b")
    assert await refused(world, "c") == (
        "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are "
        "available: 2 Preemption is not helpful for scheduling."
    )
    used = await world.client.get(RESOURCE_CLAIMS, "a", "default")
    status = {key: value for key, value in used["status"].items() if key not in ("allocation", "reservedFor")}
    await world.client.update(RESOURCE_CLAIMS, {**used, "status": status}, subresource="status")
    await bound(world, "c")  # what was given back is somebody else's at once


async def test_devices_that_come_later_are_waited_for(world: World) -> None:
    await claim(world, "many", count=3)
    await world.pod("web", **wants("many"))
    assert "cannot allocate all claims" in await refused(world, "web")
    await world.client.create(RESOURCE_SLICES, offer("n2", 3))
    assert (await bound(world, "web"))["spec"]["nodeName"] == "n2"


async def test_what_is_missing_is_named(world: World) -> None:
    await world.pod("early", **wants("none"))
    assert await refused(world, "early") == (
        '0/2 nodes are available: could not find ResourceClaim "default/none". '
        "no new claims to deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling."
    )
    requests = [{"name": "r", "exactly": {"deviceClassName": "fpga"}}]
    made = {"metadata": {"name": "odd", "namespace": "default"}, "spec": {"devices": {"requests": requests}}}
    await world.client.create(RESOURCE_CLAIMS, made)
    await world.pod("odd", **wants("odd"))
    assert "request r: device class fpga does not exist" in await refused(world, "odd")
    await claim(world, "wrong", selectors=[{"cel": {"expression": 'device.attributes["x.org"].model == "a"'}}])
    await world.pod("wrong", **wants("wrong"))
    said = await refused(world, "wrong")
    assert said == (
        'running "DynamicResources" filter plugin: claim default/wrong: selector #0 on device '
        f"{DRIVER}/n1/gpu-0: CEL runtime error: no such key: model"
    )


async def test_devices_where_the_pod_cannot_go_are_given_back(world: World) -> None:
    await world.client.create(RESOURCE_SLICES, offer("n2", 1))
    made = await claim(world, "one")
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    allocation = {
        "devices": {"results": [{"request": "gpu", "driver": DRIVER, "pool": "n1", "device": "gpu-0"}]},
        "nodeSelector": {"nodeSelectorTerms": [{"matchFields": [field]}]},
    }
    await world.client.update(RESOURCE_CLAIMS, {**made, "status": {"allocation": allocation}}, subresource="status")
    await world.when(
        RESOURCE_CLAIMS, lambda known: known.get("default/one") and "allocation" in str(known.get("default/one"))
    )
    await world.pod("web", nodeSelector={"kubernetes.io/hostname": "n2"}, **wants("one"))
    assert (await bound(world, "web"))["spec"]["nodeName"] == "n2"
    found = await world.client.get(RESOURCE_CLAIMS, "one", "default")
    assert found["status"]["allocation"]["devices"]["results"][0]["pool"] == "n2"


async def test_a_selector_that_is_none_is_not_written(world: World) -> None:
    with pytest.raises(
        StatusError, match=r"exactly\.selectors\[0\]\.cel\.expression: Invalid value.*compilation failed"
    ):
        await claim(world, "bad", selectors=[{"cel": {"expression": "device.driver =="}}])
    with pytest.raises(StatusError, match="must evaluate to bool"):
        await claim(world, "bad", selectors=[{"cel": {"expression": "1 + 1"}}])


RESOURCE = "example.com/gpu"


async def answer(world: World) -> None:
    """The class says which resource it answers to."""
    kind = await world.client.get(DEVICE_CLASSES, "gpu")
    await world.client.update(DEVICE_CLASSES, {**kind, "spec": {**kind["spec"], "extendedResourceName": RESOURCE}})
    await world.when(DEVICE_CLASSES, lambda known: "extendedResourceName" in str(known.get("gpu")))


def asks(count: int, resource: str = RESOURCE) -> Object:
    one = {"name": "one", "image": "i", "resources": {"limits": {resource: str(count)}, "requests": {"cpu": "1m"}}}
    return {"containers": [{"name": "other", "image": "i"}, one]}


async def test_a_pod_without_a_claim_gets_one_for_an_extended_resource(world: World) -> None:
    await answer(world)
    pod = await world.pod("web", **asks(2))
    found = await bound(world, "web")
    assert found["spec"]["nodeName"] == "n1"
    said = found["status"]["extendedResourceClaimStatus"]
    name = "container-1-request-1"
    assert said["requestMappings"] == [{"containerName": "one", "resourceName": RESOURCE, "requestName": name}]
    claim = await world.client.get(RESOURCE_CLAIMS, said["resourceClaimName"], "default")
    assert claim["metadata"]["name"].startswith("web-extended-resources-")
    assert claim["metadata"]["annotations"] == {"resource.kubernetes.io/extended-resource-claim": "true"}
    assert claim["metadata"]["finalizers"] == ["resource.kubernetes.io/delete-protection"]
    assert [(one["kind"], one["uid"]) for one in claim["metadata"]["ownerReferences"]] == [("Pod", meta.uid(pod))]
    [request] = claim["spec"]["devices"]["requests"]
    assert (request["name"], request["exactly"]["deviceClassName"], request["exactly"]["count"]) == (name, "gpu", 2)
    assert claim["status"]["reservedFor"] == [{"resource": "pods", "name": "web", "uid": meta.uid(pod)}]
    results = claim["status"]["allocation"]["devices"]["results"]
    assert [(one["request"], one["device"]) for one in results] == [(name, "gpu-0"), (name, "gpu-1")]
    await world.pod("late", **asks(1))
    assert await refused(world, "late") == (
        "0/2 nodes are available: 2 cannot allocate all claims. still not schedulable, preemption: 0/2 nodes are "
        "available: 2 Preemption is not helpful for scheduling."
    )
    assert len((await world.client.list(RESOURCE_CLAIMS)).items) == 1


async def test_each_class_answers_to_its_own_name(world: World) -> None:
    await world.pod("web", **asks(1, "deviceclass.resource.kubernetes.io/gpu"))
    assert (await bound(world, "web"))["status"]["extendedResourceClaimStatus"]["resourceClaimName"]


async def test_a_resource_that_no_class_answers_to_is_the_nodes(world: World) -> None:
    await world.pod("web", **asks(1))
    assert f"2 Insufficient {RESOURCE}" in await refused(world, "web")
    await answer(world)  # that changes it
    assert (await bound(world, "web"))["spec"]["nodeName"] == "n1"


async def test_a_node_with_a_device_plugin_has_the_resource_itself(world: World) -> None:
    await answer(world)
    node = await world.client.get(NODES, "n2")
    status = {**node["status"], "allocatable": {**node["status"]["allocatable"], RESOURCE: "1"}}
    await world.client.update(NODES, {**node, "status": status}, subresource="status")
    await world.when(NODES, lambda known: RESOURCE in str(known.get("n2")))
    selector = {"nodeSelector": {"kubernetes.io/hostname": "n2"}}
    await world.pod("here", **asks(1), **selector)
    found = await bound(world, "here")
    assert found["spec"]["nodeName"] == "n2"
    assert "extendedResourceClaimStatus" not in found["status"]
    assert not (await world.client.list(RESOURCE_CLAIMS)).items
    await world.pod("more", **asks(1), **selector)
    assert f"1 Insufficient {RESOURCE}" in await refused(world, "more")
    await world.pod("there", **asks(1))  # by devices
    assert (await bound(world, "there"))["spec"]["nodeName"] == "n1"


async def test_what_an_earlier_try_has_left_goes_first(world: World) -> None:
    await answer(world)
    pod = await world.pod("web", schedulingGates=[{"name": "x.org/wait"}], **asks(1))
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": meta.uid(pod), "controller": True}
    request = {"name": "container-1-request-1", "exactly": {"deviceClassName": "gpu", "count": 1}}
    metadata = {
        "name": "left",
        "namespace": "default",
        "finalizers": ["resource.kubernetes.io/delete-protection"],
        "annotations": {"resource.kubernetes.io/extended-resource-claim": "true"},
        "ownerReferences": [owner],
    }
    left = {"metadata": metadata, "spec": {"devices": {"requests": [request]}}}
    await world.client.create(RESOURCE_CLAIMS, left)
    await world.when(RESOURCE_CLAIMS, lambda known: known.get("default/left") is not None)
    fresh = await world.client.get(PODS, "web", "default")
    await world.client.update(PODS, {**fresh, "spec": {**fresh["spec"], "schedulingGates": None}})
    found = await bound(world, "web")
    name = found["status"]["extendedResourceClaimStatus"]["resourceClaimName"]
    assert [meta.name(one) for one in (await world.client.list(RESOURCE_CLAIMS)).items] == [name] != ["left"]


async def test_a_claim_that_was_made_in_vain_goes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await answer(world)
    await world.pod("first")
    await bound(world, "first")  # the binder is there now
    binder = world.scheduler._binder
    assert binder is not None
    real, failed = binder.bind, asyncio.Event()

    async def bind(pod: Object, node: str) -> None:
        if not failed.is_set():
            failed.set()
            assert len((await world.client.list(RESOURCE_CLAIMS)).items) == 1
            raise BindingFailed("for once")
        await real(pod, node)

    monkeypatch.setattr(binder, "bind", bind)
    await world.pod("web", **asks(2))  # both devices: were the first claim still there, they would be taken
    found = await bound(world, "web")
    assert failed.is_set()
    name = found["status"]["extendedResourceClaimStatus"]["resourceClaimName"]
    assert [meta.name(one) for one in (await world.client.list(RESOURCE_CLAIMS)).items] == [name]
