"""Containers made by a runtime and a monitor alone, without an engine."""

from __future__ import annotations

import asyncio
import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from corral.kit.ids import new_id
from corral.linux.cgroups import Cgroups, detect
from corral.linux.limits import probe
from corral.model.container import Container, ContainerSpec
from corral.runtime.capabilities import plan_capabilities
from corral.runtime.choose import KNOWN
from corral.runtime.console import Console
from corral.runtime.devices import resolve_devices
from corral.runtime.exits import Exits
from corral.runtime.input import BundleInput
from corral.runtime.monitor import Monitor, MonitorRequest, Started
from corral.runtime.oci import OciRuntime, resolve_program
from corral.runtime.plan import plan_bundle
from corral.runtime.seccomp import SeccompHost, machine_arch, needless_architectures, plan_seccomp
from corral.runtime.users import resolve_user
from tests.support.wait import PATIENCE

NEW = {"mount": "", "pid": "", "ipc": "", "uts": "", "network": ""}
LONG = 30.0 * PATIENCE  # seconds
PROVEN = [name for name in KNOWN if resolve_program(name)]  # all that are installed, not the default alone


class Box:
    """What one test makes containers with: a root file system of busybox, a runtime, a monitor, an exit directory."""

    def __init__(self, path: Path, runtime: OciRuntime, exits: Exits) -> None:
        self.path, self.runtime, self.exits = path, runtime, exits
        self.monitor = Monitor()
        self.layout = detect()
        self.cgroups = Cgroups(self.layout)
        self.group = f"/corral-test-{os.getpid()}"
        self.rootfs = str(path / "rootfs")
        self.ended: dict[str, asyncio.Future[int]] = {}
        self.ids: list[str] = []

    def told(self, id: str, code: int) -> None:
        future = self.end_of(id)
        if not future.done():
            future.set_result(code)

    def end_of(self, id: str) -> asyncio.Future[int]:
        return self.ended.setdefault(id, asyncio.get_running_loop().create_future())

    async def end(self, id: str) -> int:
        return await asyncio.wait_for(asyncio.shield(self.end_of(id)), LONG)

    def bundle(self, id: str) -> str:
        return str(self.path / "c" / id)

    def log(self, id: str) -> list[str]:
        """Its lines, with those that were written piece by piece put together."""
        entries = [line.split(" ", 3) for line in Path(f"{self.bundle(id)}/log").read_text().splitlines()]
        return "".join(text + ("\n" if flag == "F" else "") for _, _, flag, text in entries).splitlines()

    def write(self, *args: str, spec: ContainerSpec | None = None, **more: Any) -> tuple[str, Container]:
        """A bundle, ready for the monitor."""
        id = new_id()
        container = Container(id, "test", 0, "image", spec or ContainerSpec("image"))
        security, limits = container.spec.security, probe()
        capabilities = plan_capabilities(
            security.cap_add, security.cap_drop, privileged=security.privileged, available=limits.capabilities
        )
        given: dict[str, Any] = {
            **{"container": container, "rootfs": self.rootfs, "args": args, "env": ["PATH=/bin"], "cwd": "/"},
            **{"user": resolve_user(self.rootfs, container.spec.user, container.spec.groups), "hostname": "box"},
            **{"cgroup_path": f"{self.group}/{id}", "cgroup_version": 2 if self.layout.v2 else 1},
            **{"namespaces": NEW, "limits": limits},
            "devices": resolve_devices(container.spec.devices, privileged=security.privileged),
            "seccomp": plan_seccomp(
                security.seccomp,
                privileged=security.privileged,
                capabilities=capabilities,
                host=SeccompHost(
                    machine_arch(os.uname().machine), limits.kernel, needless_architectures(self.runtime.name)
                ),
            ),
        }
        os.makedirs(self.bundle(id))
        config = plan_bundle(BundleInput(**given | more))
        Path(f"{self.bundle(id)}/config.json").write_bytes(msgspec.json.encode(config))
        self.ids.append(id)
        return id, container

    def request(self, id: str, **more: Any) -> MonitorRequest:
        bundle = self.bundle(id)
        return replace(MonitorRequest(id, bundle, self.runtime, self.exits.directory, f"{bundle}/log"), **more)

    async def run(self, *args: str, spec: ContainerSpec | None = None, **more: Any) -> tuple[int, list[str]]:
        """Exit code and lines of output of one container."""
        id, _ = self.write(*args, spec=spec, **more)
        started = await self.monitor.create(self.request(id))
        await self.runtime.start(id, started.pid)
        return await self.end(id), self.log(id)

    async def start(self, *args: str, spec: ContainerSpec | None = None, **request: Any) -> tuple[Container, Started]:
        """A container that runs on."""
        id, container = self.write(*args, spec=spec)
        started = await self.monitor.create(self.request(id, **request))
        await self.runtime.start(id, started.pid)
        return container, started

    async def clean(self) -> None:
        for id in self.ids:
            await self.monitor.end(self.bundle(id))
            await self.runtime.delete(id, force=True)
            self.cgroups.remove(f"{self.group}/{id}")
        self.cgroups.remove(self.group)
        if self.layout.version == "hybrid":
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(f"{self.layout.unified}{self.group}")


async def read_all(console: Console) -> dict[int, bytes]:
    found = {1: b"", 2: b""}
    while (packet := await asyncio.wait_for(console.read(), LONG)) is not None:
        found[packet[0]] += packet[1]
    console.close()
    return found


async def read_until(console: Console, wanted: bytes) -> bytes:
    found = b""
    while wanted not in found:
        packet = await asyncio.wait_for(console.read(), LONG)
        assert packet is not None, found
        found += packet[1]
    return found
