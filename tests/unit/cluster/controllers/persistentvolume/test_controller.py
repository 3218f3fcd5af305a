from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, EVENTS, NODES
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.controllers.persistentvolume.controller import PersistentVolumeController
from corral.cluster.controllers.persistentvolume.local import LocalDirectories
from corral.cluster.controllers.resources import STORAGE_CLASSES, VOLUMES
from tests.support.world import Make, World, working

RWO = {"accessModes": ["ReadWriteOnce"]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "volumes"


def controller(folder: Path) -> Make:
    return lambda world: PersistentVolumeController(world.shared, LocalDirectories(str(folder)))


async def claim(world: World, name: str, size: str = "1Gi", **spec: Any) -> Object:
    notes = spec.pop("annotations", {})
    wanted = {**RWO, "resources": {"requests": {"storage": size}}, **spec}
    return await world.create(CLAIMS, {"metadata": {"name": name, "annotations": notes}, "spec": wanted}, "default")


async def volume(world: World, name: str, size: str = "1Gi", **spec: Any) -> Object:
    wanted = {**RWO, "capacity": {"storage": size}, "hostPath": {"path": "/nowhere"}, **spec}
    return await world.create(VOLUMES, {"metadata": {"name": name}, "spec": wanted})


def phase(obj: Object) -> str:
    return str(obj["status"]["phase"])


async def bound(world: World, name: str) -> Object:
    return await world.until_one(CLAIMS, name, lambda one: phase(one) == "Bound")


async def ready_node(world: World, name: str) -> Object:
    return await world.node(
        name,
        metadata={"labels": {"kubernetes.io/hostname": name}},
        status={"conditions": [{"type": "Ready", "status": "True"}]},
    )


async def select(world: World, name: str, node: str) -> None:
    """What the scheduler says when it has found a node for the claim's pod."""
    notes = {"annotations": {"volume.kubernetes.io/selected-node": node}}
    await world.client.patch(CLAIMS, name, "default", patch={"metadata": notes})


async def told(world: World, reason: str) -> str:
    events = await world.until(EVENTS, lambda found: any(one["reason"] == reason for one in found))
    return next(one["message"] for one in events if one["reason"] == reason)


async def test_the_smallest_volume_that_will_do_is_bound_and_released(folder: Path) -> None:
    async with working(controller(folder)) as world:
        for name, size in (("big", "10Gi"), ("small", "1Gi"), ("middle", "5Gi")):
            await volume(world, name, size)
        await world.until(VOLUMES, lambda found: [phase(one) for one in found] == ["Available"] * 3)
        made = await claim(world, "data", "2Gi", storageClassName="")
        found = await bound(world, "data")
        assert (found["spec"]["volumeName"], found["status"]["capacity"]) == ("middle", {"storage": "5Gi"})
        assert found["status"]["accessModes"] == ["ReadWriteOnce"]
        one = await world.until_one(VOLUMES, "middle", lambda one: phase(one) == "Bound")
        assert one["spec"]["claimRef"]["uid"] == meta.uid(made)
        await world.client.delete(CLAIMS, "data", "default")
        await world.until_one(VOLUMES, "middle", lambda one: phase(one) == "Released")
        await claim(world, "other", "2Gi", storageClassName="")
        assert (await bound(world, "other"))["spec"]["volumeName"] == "big"


async def test_a_claim_that_goes_while_a_volume_is_bound_to_it_sets_the_volume_free(folder: Path) -> None:
    async with working(controller(folder)) as world:
        update = world.shared.client.update

        async def going(of: Collection, obj: Object, subresource: str = "", **options: Any) -> Object:
            done = await update(of, obj, subresource=subresource, **options)
            if of == VOLUMES and subresource and phase(done) == "Bound":
                await world.client.delete(CLAIMS, "data", "default")
            return done

        world.shared.client.update = going  # type: ignore[method-assign]
        await volume(world, "pv")
        await claim(world, "data", storageClassName="")
        await world.until_one(VOLUMES, "pv", lambda one: phase(one) == "Released")


async def test_a_claim_waits_for_its_pods_node_then_has_a_directory_there(folder: Path) -> None:
    async with working(controller(folder)) as world:
        await world.until(STORAGE_CLASSES, lambda found: [meta.name(one) for one in found] == ["standard"])
        await ready_node(world, "n1")
        made = await claim(world, "data")
        text = "waiting for first consumer to be created before binding"
        assert await told(world, "WaitForFirstConsumer") == text
        assert (await world.client.get(CLAIMS, "data", "default"))["spec"]["storageClassName"] == "standard"
        await select(world, "data", "n1")
        found = await bound(world, "data")
        name = f"pvc-{meta.uid(made)}"
        assert found["spec"]["volumeName"] == name
        provisioned = await world.client.get(VOLUMES, name)
        assert provisioned["spec"]["hostPath"]["path"] == str(folder / name)
        assert (folder / name).is_dir()
        (folder / name / "file").write_text("data")
        text = f"Successfully provisioned volume {name} using corral.dev/local"
        assert await told(world, "ProvisioningSucceeded") == text
        grown = {"spec": {"resources": {"requests": {"storage": "3Gi"}}}}
        await world.client.patch(CLAIMS, "data", "default", patch=grown)
        await world.until_one(CLAIMS, "data", lambda one: one["status"]["capacity"] == {"storage": "3Gi"})
        assert (await world.client.get(VOLUMES, name))["spec"]["capacity"] == {"storage": "3Gi"}
        await world.client.delete(CLAIMS, "data", "default")
        await world.until_gone(VOLUMES, name)
        assert list(folder.iterdir()) == []


async def test_a_class_that_keeps_keeps_and_one_that_binds_at_once_does(folder: Path) -> None:
    async with working(controller(folder)) as world:
        await ready_node(world, "n1")
        wanted = {"metadata": {"name": "kept"}, "provisioner": "corral.dev/local", "reclaimPolicy": "Retain"}
        await world.create(STORAGE_CLASSES, wanted)
        await claim(world, "data", storageClassName="kept")
        name = (await bound(world, "data"))["spec"]["volumeName"]
        (folder / name / "file").write_text("data")
        await world.client.delete(CLAIMS, "data", "default")
        await world.until_one(VOLUMES, name, lambda one: phase(one) == "Released")
        await world.client.delete(VOLUMES, name)
        await world.until_gone(VOLUMES, name)
        assert (folder / name / "file").read_text() == "data"


async def test_what_cannot_be_had_is_told(folder: Path) -> None:
    async with working(controller(folder)) as world:
        await ready_node(world, "n1")
        wanted = {"metadata": {"name": "at-once"}, "provisioner": "corral.dev/local"}
        await world.create(STORAGE_CLASSES, wanted)
        await claim(world, "block", storageClassName="at-once", volumeMode="Block")
        text = 'failed to provision volume with StorageClass "at-once": corral.dev/local does not support block volume'
        assert (await told(world, "ProvisioningFailed")).startswith(text)
        await claim(world, "none", storageClassName="")
        text = "no persistent volumes available for this claim and no storage class is set"
        assert await told(world, "FailedBinding") == text
        await world.create(STORAGE_CLASSES, {"metadata": {"name": "csi"}, "provisioner": "example.com/csi"})
        await claim(world, "csi", storageClassName="csi")
        assert "'example.com/csi'" in await told(world, "ExternalProvisioning")
        found = await world.client.get(CLAIMS, "csi", "default")
        assert found["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"] == "example.com/csi"


async def test_a_claim_and_a_volume_that_name_each_other_are_bound(folder: Path) -> None:
    async with working(controller(folder)) as world:
        reference = {"namespace": "default", "name": "mine"}
        await volume(world, "for-mine", "9Gi", claimRef=reference)
        await volume(world, "wished", "9Gi")
        await volume(world, "free", "1Gi")
        await claim(world, "mine", storageClassName="")
        assert (await bound(world, "mine"))["spec"]["volumeName"] == "for-mine"
        await claim(world, "wishes", storageClassName="", volumeName="wished")
        assert (await bound(world, "wishes"))["spec"]["volumeName"] == "wished"
        await claim(world, "late", storageClassName="", volumeName="wished")
        text = 'volume "wished" already bound to a different claim.'
        assert await told(world, "FailedBinding") == text


async def test_a_claim_whose_volume_is_lost_says_so(folder: Path) -> None:
    async with working(controller(folder)) as world:
        await volume(world, "v")
        await claim(world, "data", storageClassName="")
        await bound(world, "data")
        await world.client.delete(VOLUMES, "v")
        await world.until_one(CLAIMS, "data", lambda one: phase(one) == "Lost")
        assert (
            await told(world, "ClaimLost") == "Bound claim has lost its PersistentVolume. Data on the volume is lost!"
        )


async def test_a_node_that_is_gone_before_the_volume_is_made_is_forgotten(folder: Path) -> None:
    async with working(controller(folder)) as world:
        await world.until(STORAGE_CLASSES, lambda found: len(found) == 1)
        await claim(world, "data", storageClassName="standard")
        await select(world, "data", "gone")
        name = "volume.kubernetes.io/selected-node"
        await world.until_one(CLAIMS, "data", lambda one: name not in one["metadata"]["annotations"])
        await ready_node(world, "n1")
        await select(world, "data", "n1")
        await bound(world, "data")
        await world.client.delete(NODES, "n1")


def test_only_names_of_local_volumes_become_paths(folder: Path) -> None:
    directories = LocalDirectories(str(folder))
    for name in ("..", "pvc-..", "data", "pvc-" + "/" * 36, ""):
        with pytest.raises(ValueError, match="not the name"):
            directories.path(name)
