"""Devices by claims, on a node: a driver's plugin makes them ready, and containers get what CDI says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS, RESOURCE_CLAIMS
from corral.cluster.scheduler.binder import binding
from tests.support.driver import NAME, Driver
from tests.support.kubelet import NODE, Node, container, is_ready, state
from tests.support.wait import eventually_async

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]

Object = dict[str, Any]

USES = {"claims": [{"name": "device", "request": "gpu"}]}
EXACTLY = {"deviceClassName": "gpu", "allocationMode": "ExactCount", "count": 1}


@pytest.fixture
async def driver(node: Node, tmp_path: Path) -> Driver:
    registry = node.base / "reg"
    await node.restart_kubelet(plugins=str(registry), cdi=(str(tmp_path / "cdi"),))
    return Driver(tmp_path / "cdi", registry, node.base / "gpu" / "dra.sock")


async def pod_with(node: Node, name: str, claim: str, *containers: Object) -> Object:
    """A pod that has a claim, as if the scheduler had given it a device."""
    made = await node.client.create(
        RESOURCE_CLAIMS,
        {"metadata": {"name": claim}, "spec": {"devices": {"requests": [{"name": "gpu", "exactly": EXACTLY}]}}},
        "default",
    )
    pod = await node.create(name, *containers, resourceClaims=[{"name": "device", "resourceClaimName": claim}])
    result = {"request": "gpu", "driver": NAME, "pool": "p", "device": "d"}
    users = [{"resource": "pods", "name": name, "uid": meta.uid(pod)}]
    status = {"allocation": {"devices": {"results": [result]}}, "reservedFor": users}
    await node.client.update(RESOURCE_CLAIMS, {**made, "status": status}, subresource="status")
    return made


async def test_a_pod_gets_its_device(node: Node, driver: Driver, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("by the driver")
    mount = {"hostPath": str(tmp_path / "given"), "containerPath": "/given", "options": ["ro", "bind"]}
    driver.describe("one", env=["GPU=0"], deviceNodes=[{"path": "/dev/gpu", "hostPath": "/dev/zero"}], mounts=[mount])
    claim = await pod_with(node, "uses", "one", container(resources=USES), container("other"))
    missing = f"Failed to prepare dynamic resources: prepare dynamic resources: DRA driver {NAME} is not registered"
    await node.told("uses", "FailedPrepareDynamicResources", missing)
    assert node.engine.containers.list(unlisted=True) == []  # nothing runs without it
    async with driver.running():
        await node.running("uses")
        assert driver.told == [(True, "")]
        assert driver.prepared == {meta.uid(claim): "one"}
        script = "echo $GPU; cat /given; head -c 3 /dev/gpu | wc -c; touch /given"
        assert (await node.ask("uses", "sh", "-c", script)).split("\n")[:2] == ["0", "by the driver3"]
        assert "touch: /given: Read-only file system" in await node.ask("uses", "touch", "/given")
        assert await node.ask("uses", "sh", "-c", "echo none$GPU; ls /given", of="other") != "none0"

        await node.stop_kubelet()  # what is ready is known to the next one, also to give it back
        await node.start_kubelet()
        assert is_ready(await node.get("uses"))
        await node.delete("uses")
        assert driver.prepared == {}


async def test_a_device_for_an_extended_resource(node: Node, driver: Driver) -> None:
    """The pod names no claim; the scheduler, whose part is played here, has made one, and said whose it is."""
    driver.describe("made", env=["GPU=0"])
    driver.request = request = "container-1-request-0"
    asks = {"limits": {"example.com/gpu": "1"}}
    pod = await node.create("plain", container("other"), container(resources=asks), nodeName="")
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "plain", "uid": meta.uid(pod), "controller": True}
    spec = {"devices": {"requests": [{"name": request, "exactly": EXACTLY}]}}
    made = {"metadata": {"name": "made", "ownerReferences": [owner]}, "spec": spec}
    claim = await node.client.create(RESOURCE_CLAIMS, made, "default")
    result = {"request": request, "driver": NAME, "pool": "p", "device": "d"}
    users = [{"resource": "pods", "name": "plain", "uid": meta.uid(pod)}]
    status = {"allocation": {"devices": {"results": [result]}}, "reservedFor": users}
    await node.client.update(RESOURCE_CLAIMS, {**claim, "status": status}, subresource="status")
    mapping = {"containerName": "main", "resourceName": "example.com/gpu", "requestName": request}
    said = {"resourceClaimName": "made", "requestMappings": [mapping]}
    pod = {**pod, "status": {**pod["status"], "extendedResourceClaimStatus": said}}
    pod = await node.client.update(PODS, pod, subresource="status")
    async with driver.running():
        await node.client.create(PODS, binding(pod, NODE), "default", subresource="binding")
        await node.running("plain")
        assert driver.prepared == {meta.uid(claim): "made"}
        assert await node.ask("plain", "sh", "-c", "echo $GPU") == "0\n"
        assert await node.ask("plain", "sh", "-c", "echo none$GPU", of="other") == "none\n"
        await node.delete("plain")
        assert driver.prepared == {}


async def test_what_a_driver_says_is_told(node: Node, driver: Driver) -> None:
    driver.error = "the device is on fire"
    async with driver.running():
        await pod_with(node, "burns", "fire", container(resources=USES))
        told = "prepare dynamic resources: NodePrepareResources failed for ResourceClaim fire: the device is on fire"
        await node.told("burns", "FailedPrepareDynamicResources", told)
        driver.error, driver.broken = "", "no – nothing: works"
        told = "NodePrepareResources: rpc error: code = Internal desc = no – nothing: works"
        await node.told("burns", "FailedPrepareDynamicResources", told)
        driver.broken = ""
        await node.until("burns", lambda pod: "unresolvable CDI devices gpu.example.com/gpu=fire" in str(pod["status"]))
        driver.describe("fire", env=["A=b"])
        await node.running("burns")
        await node.delete("burns")


async def test_a_plugin_that_speaks_nothing_we_know_is_told_so(node: Node, driver: Driver) -> None:
    driver.services = ["v9.DRAPlugin"]
    async with driver.running():
        await eventually_async(lambda: driver.told, "the plugin is told")
    assert driver.told[0][0] is False and "none of its services is supported: v9.DRAPlugin" in driver.told[0][1]


async def test_who_is_no_user_of_a_claim_gets_nothing_of_it(node: Node, driver: Driver) -> None:
    async with driver.running():
        await pod_with(node, "first", "mine", container(resources=USES))
        await node.create("thief", resourceClaims=[{"name": "device", "resourceClaimName": "mine"}])
        thief = meta.uid(await node.get("thief"))
        await node.told("thief", "FailedPrepareDynamicResources", f"pod thief ({thief}) is not allowed to use")
        for name in ("first", "thief"):
            await node.delete(name)
        assert driver.prepared == {}


async def test_hooks_of_a_device_and_a_driver_that_is_away(node: Node, driver: Driver, tmp_path: Path) -> None:
    hook = {"hookName": "createRuntime", "path": "/bin/sh", "args": ["sh", "-c", f"echo $WHAT >{tmp_path}/hooked"]}
    driver.describe("hooked", hooks=[{**hook, "env": ["WHAT=made"]}])
    async with driver.running():
        await pod_with(node, "hooks", "hooked", container(resources=USES))
        await node.running("hooks")
        assert (tmp_path / "hooked").read_text() == "made\n"
    await node.client.delete(PODS, "hooks", "default")
    await node.until("hooks", lambda pod: state(pod)["state"].get("terminated"))
    assert driver.prepared  # nobody is there to take it back, so the pod stays
    async with driver.running():
        await node.gone("hooks")
    assert driver.prepared == {}
