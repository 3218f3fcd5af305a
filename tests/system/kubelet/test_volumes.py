"""Volumes of pods on the real engine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from corral.cluster.client.protocol import Collection
from corral.linux.mounts import make_private, make_shared, mount, unmount
from tests.support.kubelet import WAITS, Node, container, state, waiting
from tests.support.wait import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.timeout(90)]

CONFIG_MAPS = Collection("", "v1", "configmaps")
SECRETS = Collection("", "v1", "secrets")
CLAIMS = Collection("", "v1", "persistentvolumeclaims")
VOLUMES = Collection("", "v1", "persistentvolumes")


def _mount(name: str, path: str, **more: object) -> dict[str, object]:
    return {"name": name, "mountPath": path, **more}


async def test_config_maps_and_secrets_and_their_changes(node: Node) -> None:
    made = await node.client.create(CONFIG_MAPS, {"metadata": {"name": "cm"}, "data": {"k": "one"}}, "default")
    await node.client.create(SECRETS, {"metadata": {"name": "sec"}, "data": {"pw": "aGlkZGVu"}}, "default")
    volumes = [
        {"name": "cm", "configMap": {"name": "cm"}},
        {"name": "sec", "secret": {"secretName": "sec", "defaultMode": 0o400}},
    ]
    main = container(volumeMounts=[_mount("cm", "/cm"), _mount("sec", "/sec"), _mount("cm", "/one", subPath="k")])
    await node.create("reads", main, volumes=volumes)
    await node.running("reads")
    assert await node.ask("reads", "sh", "-c", "cat /cm/k /sec/pw /one; stat -Lc %a /sec/pw") == "onehiddenone400\n"
    changed = {**made, "data": {"k": "two", "more": "m"}}
    await node.client.update(CONFIG_MAPS, changed)
    place = next(node.base.glob("kubelet/pods"), None)
    assert place is None or not list(place.glob("*/volumes/sec")), "no secret lies on a disk"
    async with asyncio.timeout(60 * PATIENCE):
        while await node.ask("reads", "sh", "-c", "cat /cm/k /cm/more") != "twom":  # noqa: ASYNC110 - nobody is told
            await asyncio.sleep(0.05)
    assert await node.ask("reads", "sh", "-c", "cat /cm/k /cm/more /one") == "twomone"


async def test_projected_parts(node: Node) -> None:
    sources = [
        {"serviceAccountToken": {"path": "token", "audience": "me", "expirationSeconds": 600}},
        {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
    ]
    volumes = [{"name": "all", "projected": {"sources": sources}}]
    main = container(volumeMounts=[_mount("all", "/all")])
    await node.create("parts", main, volumes=volumes, serviceAccountName="default", labels={"app": "x"})
    await node.running("parts")
    token, _, labels = (await node.ask("parts", "sh", "-c", "cat /all/token; echo; cat /all/labels")).partition("\n")
    assert token.count(".") == 2 and labels == 'app="x"'


async def test_empty_directories_in_memory_and_of_a_group(node: Node) -> None:
    volumes = [
        {"name": "disk", "emptyDir": {}},
        {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
    ]
    main = container(volumeMounts=[_mount("disk", "/d"), _mount("mem", "/m")])
    context = {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000}
    await node.create("empty", main, volumes=volumes, securityContext=context)
    await node.running("empty")
    script = "touch /d/x /m/x; stat -c %u:%g /d/x; df /m | tail -1 | cut -c1-40; id -G"
    said = await node.ask("empty", "sh", "-c", script)
    lines = said.splitlines()
    assert lines[0] == "1000:2000" and lines[1].split()[:2] == ["tmpfs", "1024"] and "2000" in lines[2].split()


async def test_parts_have_the_permissions_of_their_volume(node: Node) -> None:
    volumes = [{"name": "v", "emptyDir": {}}]
    main = container(volumeMounts=[_mount("v", "/v"), _mount("v", "/p", subPath="a/b")])
    await node.create("own", main, volumes=volumes, securityContext={"runAsUser": 1000})
    context = {"runAsUser": 1000, "runAsGroup": 3000, "fsGroup": 2000}
    await node.create("group", main, volumes=volumes, securityContext=context)
    script = "touch /p/x; stat -c %a /p; stat -c %u:%g /p/x"
    for name, said in (("own", "777\n1000:0\n"), ("group", "2777\n1000:2000\n")):
        await node.running(name)
        assert await node.ask(name, "sh", "-c", script) == said


async def test_claims(node: Node) -> None:
    place = node.base / "data"
    place.mkdir()
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(place)}}
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, "volumeName": "pv"}
    await node.client.create(VOLUMES, {"metadata": {"name": "pv"}, "spec": {**spec, "storageClassName": ""}})
    made = await node.client.create(
        CLAIMS, {"metadata": {"name": "c"}, "spec": {**claim, "storageClassName": ""}}, "default"
    )
    volumes = [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]
    await node.create("claims", container(volumeMounts=[_mount("v", "/v", subPath="a/b")]), volumes=volumes)
    failure = 'MountVolume.SetUp failed for volume "v" : PersistentVolumeClaim "c" is not bound'
    await node.told("claims", "FailedMount", failure)
    await node.client.update(CLAIMS, {**made, "status": {"phase": "Bound"}}, subresource="status")
    await node.running("claims")
    await node.ask("claims", "touch", "/v/x")
    assert (place / "a/b/x").exists()


async def test_a_part_of_a_volume_does_not_lead_out(node: Node) -> None:
    volumes = [{"name": "v", "emptyDir": {}}]
    make = container("make", ["ln", "-s", "/etc", "/v/out"], volumeMounts=[_mount("v", "/v")])
    main = container(volumeMounts=[_mount("v", "/p", subPath="out")])
    await node.create("out", main, initContainers=[make], volumes=volumes)
    pod = await node.until("out", lambda pod: waiting(pod) == "CreateContainerConfigError")
    why = "out: a link there leads out of the volume, or to nothing"
    told = state(pod)["state"]["waiting"]["message"]
    assert told == f"failed to create subPath directory for volumeMount /p: {why}"


async def test_an_image_is_pulled_for_a_volume_as_for_a_container(node: Node) -> None:
    volumes = [{"name": "image", "image": {"reference": "127.0.0.1:1/files:1"}}]
    await node.create("far", container(command=WAITS, volumeMounts=[_mount("image", "/image")]), volumes=volumes)
    pod = await node.until("far", lambda pod: waiting(pod) == "ImagePullBackOff")
    assert 'Back-off pulling image "127.0.0.1:1/files:1"' in state(pod)["state"]["waiting"]["message"]
    assert ("Pulling", 'Pulling image "127.0.0.1:1/files:1"') in await node.events("far")
    never = [{"name": "image", "image": {"reference": "files:1", "pullPolicy": "Never"}}]
    await node.create("never", container(command=WAITS, volumeMounts=[_mount("image", "/image")]), volumes=never)
    await node.until("never", lambda pod: waiting(pod) == "ErrImageNeverPull")
    await node.engine.images.tag("busybox:latest", "127.0.0.1:1/files:1")
    await node.running("far")
    assert (await node.ask("far", "head", "-c4", "/image/etc/passwd")) == "root"


async def test_images_and_files_of_the_node(node: Node) -> None:
    (node.base / "file").write_text("of the node")
    volumes = [
        {"name": "image", "image": {"reference": "busybox:latest"}},
        {"name": "file", "hostPath": {"path": str(node.base / "file"), "type": "File"}},
        {"name": "made", "hostPath": {"path": str(node.base / "made"), "type": "DirectoryOrCreate"}},
    ]
    mounts = [_mount("image", "/image"), _mount("file", "/file", readOnly=True), _mount("made", "/made")]
    await node.create("host", container(command=WAITS, volumeMounts=mounts), volumes=volumes)
    await node.running("host")
    script = "head -c4 /image/etc/passwd; cat /file; touch /image/x 2>&1; touch /made/y"
    said = await node.ask("host", "sh", "-c", script)
    assert said.startswith("rootof the node") and "Read-only file system" in said
    assert (node.base / "made/y").exists()
    bad = [{"name": "v", "hostPath": {"path": str(node.base / "file"), "type": "Directory"}}]
    await node.create("bad", container(volumeMounts=[_mount("v", "/v")]), volumes=bad)
    failure = f"hostPath type check failed: {node.base / 'file'} is not a directory"
    await node.told("bad", "FailedMount", failure)


async def test_a_part_that_an_image_has_not_is_a_mistake(node: Node) -> None:
    volumes = [{"name": "image", "image": {"reference": "busybox:latest"}}]
    parts = [_mount("image", "/all"), _mount("image", "/part", subPath="etc/nothing")]
    await node.create("lost", container(command=WAITS, volumeMounts=parts), volumes=volumes)
    pod = await node.until("lost", lambda pod: waiting(pod) == "CreateContainerError")
    told = "subPath etc/nothing of volumeMount /part: the image has no such file or directory"
    assert state(pod)["state"]["waiting"]["message"] == told
    parts[1]["subPath"] = "etc/passwd"
    await node.create("found", container(command=WAITS, volumeMounts=parts), volumes=volumes)
    await node.running("found")
    assert await node.ask("found", "head", "-c4", "/part") == "root"


@pytest.fixture
def private_mount(tmp_path: Path) -> Iterator[Path]:
    """A mount whose mounts nobody else sees."""
    mount("test", str(tmp_path), "tmpfs", data="size=1m")
    make_private(str(tmp_path))
    yield tmp_path
    unmount(str(tmp_path), lazy=True)


async def test_mounts_that_cannot_propagate(node: Node, private_mount: Path) -> None:
    """Such a container is not made, which is no run of it: it neither crashes nor counts, however long that lasts."""
    volumes = [{"name": "v", "hostPath": {"path": str(private_mount)}}]
    slave = container(volumeMounts=[_mount("v", "/v", mountPropagation="HostToContainer")])
    await node.create("slave", slave, volumes=volumes)
    pod = await node.until("slave", lambda pod: waiting(pod) == "CreateContainerError")
    told = f"path {private_mount} is mounted on {private_mount} but it is not a shared or slave mount"
    assert state(pod)["state"]["waiting"]["message"] == told
    await node.create("once", slave, volumes=volumes, restartPolicy="Never")
    pod = await node.until("once", lambda pod: waiting(pod) == "CreateContainerError")
    assert pod["status"]["phase"] == "Pending" and not state(pod)["lastState"]
    assert {reason for reason, _ in await node.events("once")} == {"Pulled", "Failed"}
    make_shared(str(private_mount))
    for name in ("slave", "once"):
        assert state(await node.running(name))["restartCount"] == 0
