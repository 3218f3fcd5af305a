"""Spaces: what containers share without a process that keeps it, on the real kernel."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.engine.config import EngineConfig
from corral.engine.engine import Engine
from corral.errors import Conflict, HostError, InvalidInput, NotFound
from corral.linux import mounts
from corral.model.container import ContainerSpec, Namespaces, NetworkSpec, PortBinding, Resources
from corral.model.network import NetworkSpec as Wanted
from corral.model.process import LogQuery
from corral.model.space import Space, SpaceSpec
from tests.support.images import busybox_rootfs

pytestmark = [pytest.mark.root, pytest.mark.timeout(60)]


class Place:
    def __init__(self) -> None:
        self.base = Path(tempfile.mkdtemp(prefix="spc-", dir="/tmp"))
        self.config = EngineConfig(root=f"{self.base}/e", run=f"/run/{self.base.name}")

    async def open(self) -> Engine:
        self.engine = await Engine.open(self.config)
        return self.engine

    async def again(self) -> Engine:
        await self.engine.close()
        return await self.open()


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    made = Place()
    engine = await made.open()

    async def chunks() -> AsyncIterator[bytes]:
        yield await asyncio.to_thread(busybox_rootfs)

    try:
        await engine.images.import_rootfs(chunks(), ref="busybox:latest")
        await engine.networks.create(Wanted("pods", unlisted=True))
        yield made
    finally:
        await made.engine.teardown()
        shutil.rmtree(made.base)
        shutil.rmtree(made.config.run, ignore_errors=True)


async def run(engine: Engine, space: Space, *command: str) -> str:
    """A container in the space, to its end: what it said."""
    mode = f"space:{space.id}"
    spec = ContainerSpec(
        "busybox:latest",
        command=["sh", "-c", *command],
        network=NetworkSpec(mode),
        namespaces=Namespaces(ipc=mode, uts=mode),
        cgroup_parent=space.group,
        unlisted="x.",
    )
    made = await engine.containers.create(spec)
    waiter = engine.containers.waiter(made.id, "next-exit")
    await engine.containers.start(made.id)
    await waiter
    said = b"".join([entry.data async for entry in engine.containers.logs(made.id, LogQuery())])
    await engine.containers.remove(made.id)
    return said.decode()


async def test_containers_share_name_network_memory_and_group(place: Place) -> None:
    engine = place.engine
    spec = SpaceSpec(
        "one",
        hostname="web",
        network=NetworkSpec("pods"),
        sysctls={"net.core.somaxconn": "77", "kernel.msgmax": "9000"},
        group="pods/one",
        resources=Resources(memory=64 << 20, cpu_shares=100),
    )
    space = await engine.spaces.create(spec)
    address = space.endpoints["pods"].ipv4
    script = "hostname; ip -o -4 addr show eth0; cat /proc/sys/net/core/somaxconn; echo x > /dev/shm/x"
    said = await run(engine, space, script)
    assert said.startswith("web\n") and f" {address}/" in said and said.endswith("77\n")
    assert await run(engine, space, "cat /dev/shm/x /proc/sys/kernel/msgmax") == "x\n9000\n"
    assert "/pods/one/" in await run(engine, space, "cat /proc/self/cgroup")
    assert engine.parts.cgroups.stats(space.group) is not None
    await engine.spaces.limit(space.id, Resources(memory=32 << 20))
    assert engine.spaces.get(space.id).spec.resources.memory == 32 << 20
    await engine.spaces.remove(space.id)
    assert engine.spaces.list() == [] and not engine.parts.cgroups.exists(space.group)
    assert not os.path.exists(engine.parts.paths.space(space.id))
    with pytest.raises(NotFound):
        engine.spaces.get(space.id)


async def test_one_is_in_use_while_something_runs_there(place: Place) -> None:
    engine = place.engine
    space = await engine.spaces.create(SpaceSpec("busy", network=NetworkSpec("none")))
    mode = f"space:{space.id}"
    spec = ContainerSpec("busybox:latest", command=["sleep", "100"], network=NetworkSpec(mode))
    made = await engine.containers.create(spec, "sleeper")
    await engine.containers.start(made.id)
    with pytest.raises(Conflict, match="space busy is in use by sleeper"):
        await engine.spaces.remove(space.id)
    await engine.containers.remove(made.id, force=True)
    await engine.spaces.remove(space.id)


async def test_the_next_daemon_finds_it(place: Place) -> None:
    space = await place.engine.spaces.create(SpaceSpec("stays", network=NetworkSpec("pods")))
    engine = await place.again()
    found = engine.spaces.get(space.id)
    assert found.endpoints["pods"].ipv4 == space.endpoints["pods"].ipv4
    assert space.endpoints["pods"].ipv4 in await run(engine, found, "ip -o -4 addr show eth0")
    other = await engine.spaces.create(SpaceSpec("other", network=NetworkSpec("pods")))
    assert other.endpoints["pods"].ipv4 != space.endpoints["pods"].ipv4


async def test_a_reboot_ends_it(place: Place) -> None:
    engine = place.engine
    space = await engine.spaces.create(SpaceSpec("gone", network=NetworkSpec("pods")))
    directory = engine.parts.paths.space(space.id)
    for name in ("net", "ipc", "uts", "shm"):
        mounts.unmount(f"{directory}/{name}", lazy=True)
    engine = await place.again()
    assert engine.spaces.list() == [] and not os.path.exists(directory)


async def test_what_fails_leaves_nothing(place: Place) -> None:
    engine = place.engine
    with pytest.raises(InvalidInput, match="not allowed in host network namespace"):
        await engine.spaces.create(SpaceSpec("x", network=NetworkSpec("host"), sysctls={"net.core.somaxconn": "9"}))
    with pytest.raises(HostError, match=r"set sysctl net\.core\.none"):
        await engine.spaces.create(SpaceSpec("x", network=NetworkSpec("none"), sysctls={"net.core.none": "9"}))
    with pytest.raises(NotFound):
        await engine.spaces.create(SpaceSpec("x", network=NetworkSpec("nowhere")))
    ports = [PortBinding(80, "tcp", "", 28431, 28431)]
    await engine.spaces.create(SpaceSpec("first", network=NetworkSpec("pods", ports=ports)))
    with pytest.raises((Conflict, HostError)):
        await engine.spaces.create(SpaceSpec("second", network=NetworkSpec("pods", ports=ports)))
    assert [space.spec.name for space in engine.spaces.list()] == ["first"]
    assert len(os.listdir(f"{engine.config.run}/s")) == 1


async def test_who_is_shown_what(place: Place) -> None:
    engine = place.engine
    shown = await engine.containers.create(ContainerSpec("busybox:latest", command=["true"]))
    await engine.containers.create(ContainerSpec("busybox:latest", command=["true"], unlisted="x."))
    assert [one.id for one in engine.containers.list()] == [shown.id]
    assert len(engine.containers.list(unlisted=True)) == 2
    assert [info.network.name for info in engine.networks.info()] == ["bridge", "host", "none"]
    assert (await engine.containers.prune(lambda one: True))[0] == [shown.id]
    with pytest.raises(InvalidInput, match="no such space"):
        await engine.containers.create(ContainerSpec("busybox:latest", command=["x"], network=NetworkSpec("space:f00")))
