"""What stands around a container: capabilities, users, limits, mounts."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corral.linux.mounts import bind, make_shared, mount, unmount_under
from corral.model.container import ContainerSpec, Device, Resources, Security, Ulimit
from corral.runtime.init import find_init
from corral.runtime.mounts import plan_bind, plan_tmpfs
from corral.runtime.resources import plan_resources
from tests.system.runtime.box import LONG, Box, read_until

pytestmark = pytest.mark.root


async def test_exit_code_and_log(box: Box) -> None:
    assert await box.run("sh", "-c", "echo out; echo err >&2; exit 7") == (7, ["out", "err"])


async def test_killed_by_a_signal(box: Box) -> None:
    container, started = await box.start("sleep", "100")
    os.kill(started.pid, signal.SIGKILL)
    assert await box.end(container.id) == 137
    assert await asyncio.wait_for(started.monitor.wait(), LONG) == 137


async def test_the_usual_walls(box: Box) -> None:
    script = (
        "exec 2>&1; id -u; grep CapEff /proc/self/status; grep Seccomp: /proc/self/status; mkdir /sys/x; "
        "echo 1 >/proc/sys/kernel/panic; cat /proc/kcore; mount -t tmpfs x /tmp; test -e /dev/kmsg || echo none"
    )
    code, lines = await box.run("sh", "-c", script)
    text = "\n".join(lines)
    assert lines[0] == "0" and "CapEff:\t00000000a80425fb" in text and "Seccomp:\t2" in text
    assert text.count("Read-only file system") == 2 and "permission denied" in text and lines[-1] == "none"
    assert code == 0


async def test_a_privileged_one(box: Box) -> None:
    spec = ContainerSpec("i", security=Security(privileged=True))
    code, lines = await box.run(
        "sh",
        "-c",
        "mount -t tmpfs x /tmp && grep Seccomp: /proc/self/status && test -c /dev/full && echo ok",
        spec=spec,
    )
    assert (code, lines) == (0, ["Seccomp:\t0", "ok"])


async def test_a_user_of_the_image(box: Box) -> None:
    code, lines = await box.run("sh", "-c", "id; grep CapEff /proc/self/status", spec=ContainerSpec("i", user="ann"))
    assert code == 0 and lines[1] == "CapEff:\t0000000000000000"
    assert lines[0] == "uid=1000(ann) gid=100(users) groups=10(wheel),100(users)"


async def test_limits_reach_the_kernel(box: Box) -> None:
    spec = ContainerSpec(
        "i",
        resources=Resources(memory=64 << 20, pids_limit=50, nano_cpus=500_000_000),
        ulimits=[Ulimit("nofile", 100, 200)],
    )
    container, started = await box.start("sleep", "100", spec=spec)
    group = f"{box.group}/{container.id}"
    v2 = box.layout.v2
    assert box.cgroups.read(group, "memory", "memory.max" if v2 else "memory.limit_in_bytes").strip() == str(64 << 20)
    assert box.cgroups.read(group, "pids", "pids.max").strip() == "50"
    limits = Path(f"/proc/{started.pid}/limits").read_text()
    assert [line.split()[3:5] for line in limits.splitlines() if "open files" in line] == [["100", "200"]]
    changed = plan_resources(replace_resources(spec.resources, pids_limit=60), 2 if v2 else 1)
    await box.runtime.update(container.id, changed)
    assert box.cgroups.read(group, "pids", "pids.max").strip() == "60"


def replace_resources(resources: Resources, **changed: Any) -> Resources:
    return msgspec.structs.replace(resources, **changed)


async def test_mounts_devices_and_hostname(box: Box, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/file").write_text("hello\n")
    mounts = [plan_bind(str(tmp_path / "shared"), "/mnt/in", read_only=True), plan_tmpfs("/scratch", "size=1m,exec")]
    spec = ContainerSpec("i", devices=[Device("/dev/null", "/dev/mine", "rw")])
    script = "exec 2>&1; cat /mnt/in/file; echo x >/mnt/in/file; echo y >/dev/mine; hostname; mount"
    code, lines = await box.run("sh", "-c", script, spec=spec, mounts=mounts)
    assert code == 0 and lines[0] == "hello" and "box" in lines
    assert any("Read-only file system" in line for line in lines)
    (scratch,) = [line for line in lines if " /scratch " in line]
    assert "size=1024k" in scratch and "nosuid" in scratch and "noexec" not in scratch


async def test_mounts_go_both_ways_where_that_was_asked_for(box: Box, tmp_path: Path) -> None:
    """Whatever mounts the runtime itself has been started in, those of the host and the container stay peers."""
    shared = tmp_path / "shared"
    (shared / "host").mkdir(parents=True)
    (shared / "box").mkdir()
    bind(str(shared), str(shared))
    try:
        make_shared(str(shared))
        mounts = [plan_bind(str(shared), "/mnt", propagation="rshared")]
        script = "read go; cat /mnt/host/file; mount -t tmpfs x /mnt/box; echo in >/mnt/box/file; echo done; read go"
        privileged = ContainerSpec("i", security=Security(privileged=True))
        id, _ = box.write("sh", "-c", script, spec=privileged, mounts=mounts)
        started = await box.monitor.create(box.request(id, stdin=True))
        console = box.monitor.attach(box.bundle(id))
        await box.runtime.start(id, started.pid)
        mount("x", str(shared / "host"), "tmpfs")
        (shared / "host/file").write_text("outside\n")
        await console.write(b"go\n")
        assert b"outside" in await read_until(console, b"done")
        assert (shared / "box/file").read_text() == "in\n"
        await console.write(b"go\n")
        console.close()
        assert await box.end(id) == 0
    finally:
        unmount_under(str(shared))


async def test_the_runtime_hides_nothing_from_the_host(box: Box) -> None:
    _, started = await box.start("sleep", "100")
    assert os.readlink(f"/proc/{started.monitor_pid}/ns/mnt") == os.readlink("/proc/self/ns/mnt")
    for pid in os.getpid(), started.pid:
        assert "cgroup.controllers" not in Path(f"/proc/{pid}/mountinfo").read_text()


async def test_an_init_program_goes_first(box: Box) -> None:
    code, lines = await box.run("sh", "-c", "cat /proc/1/cmdline; echo; (sleep 0 &); exit 3", init=find_init())
    assert code == 3 and lines[0].startswith("/sbin/docker-init\0--\0sh\0")
