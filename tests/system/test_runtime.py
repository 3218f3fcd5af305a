"""Real processes through monitor and runtime, without an engine: each test makes its containers and leaves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corral.errors import HostError, RuntimeFailed, Unavailable
from corral.kit.ids import new_id
from corral.linux.cgroups import Cgroups, detect
from corral.linux.limits import probe
from corral.linux.mounts import bind, make_shared, mount, unmount_under
from corral.linux.proc import children, cmdline, start_time
from corral.model.container import Container, ContainerSpec, Device, Resources, Security, Ulimit
from corral.model.process import ExecSpec
from corral.runtime.capabilities import plan_capabilities
from corral.runtime.choose import KNOWN, choose_here, find_runtimes
from corral.runtime.conmon import leftovers
from corral.runtime.console import Console
from corral.runtime.devices import resolve_devices
from corral.runtime.exits import Exits, read_exit
from corral.runtime.init import find_init
from corral.runtime.input import BundleInput
from corral.runtime.monitor import ExecRequest, Monitor, MonitorRequest, Started, exit_code
from corral.runtime.mounts import plan_bind, plan_tmpfs
from corral.runtime.oci import OciRuntime, resolve_program
from corral.runtime.plan import plan_bundle, plan_exec
from corral.runtime.resources import plan_resources
from corral.runtime.seccomp import SeccompHost, machine_arch, needless_architectures, plan_seccomp
from corral.runtime.users import ResolvedUser, resolve_user
from tests.support.wait import PATIENCE, eventually_async

pytestmark = pytest.mark.root

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


@pytest.fixture(params=PROVEN)
async def box(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Box]:
    busybox = shutil.which("busybox")
    assert busybox, "install busybox-static"
    for folder in ("bin", "etc", "proc", "sys", "dev", "tmp"):
        (tmp_path / "rootfs" / folder).mkdir(parents=True)
    shutil.copy(busybox, tmp_path / "rootfs/bin/busybox")
    for name in (
        "sh",
        "true",
        "cat",
        "sleep",
        "id",
        "echo",
        "mkdir",
        "mount",
        "stty",
        "grep",
        "kill",
        "dd",
        "ls",
        "test",
    ):
        (tmp_path / "rootfs/bin" / name).symlink_to("busybox")
    (tmp_path / "rootfs/etc/passwd").write_text("root:x:0:0::/root:/bin/sh\nann:x:1000:100::/home:/bin/sh\n")
    (tmp_path / "rootfs/etc/group").write_text("users:x:100:\nwheel:x:10:ann\n")
    (tmp_path / "exits").mkdir()
    found = await find_runtimes({})
    layout = detect()
    choice = await choose_here(request.param, found, layout)
    (one,) = [runtime for runtime in found if runtime.name == choice.name]
    cover = choice.cover if one.name == "crun" else None
    exits = Exits(str(tmp_path / "exits"))
    made = Box(tmp_path, OciRuntime(one.name, one.path, one.version, str(tmp_path / "state"), cover), exits)
    await exits.start(made.told)
    try:
        yield made
        await made.clean()
        assert not made.runtime.known() and not leftovers(str(tmp_path))
    finally:
        await made.clean()
        await exits.close()


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


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["nope"], 127, 'exec: "nope": executable file not found in \\$PATH: unknown'),
        (["/nope"], 127, "no such file or directory"),
        (["/etc/passwd"], 126, "permission denied"),
        (["/etc"], 126, "is a directory|permission denied"),
    ],
)
async def test_a_program_that_cannot_run(box: Box, args: Sequence[str], code: int, words: str) -> None:
    id, _ = box.write(*args)
    with pytest.raises(RuntimeFailed, match=words) as raised:
        await box.monitor.create(box.request(id))
    assert raised.value.exit_code == code
    prefix = "failed to create task for container: failed to create shim task: OCI runtime create failed: "
    assert raised.value.message.startswith(prefix)
    assert not box.runtime.known() and not leftovers(str(box.path)) and box.exits.read(id) is None
    assert not box.cgroups.exists(f"{box.group}/{id}")


async def test_a_bundle_that_makes_no_sense(box: Box) -> None:
    id, _ = box.write("true")
    Path(f"{box.bundle(id)}/config.json").write_text("{")
    with pytest.raises(RuntimeFailed):
        await box.monitor.create(box.request(id))
    assert not box.runtime.known() and not leftovers(str(box.path))


async def test_missing_programs(box: Box) -> None:
    id, _ = box.write("true")
    with pytest.raises(Unavailable, match="install the package conmon"):
        await Monitor("/nope/conmon").create(box.request(id))
    gone = OciRuntime("runc", "/nope/runc", "1.1", box.runtime.root)
    with pytest.raises(Unavailable, match="/nope/runc does not exist: install the package runc"):
        await box.monitor.create(box.request(id, runtime=gone))
    assert not leftovers(str(box.path))


async def test_nothing_of_a_quick_program_is_lost(box: Box) -> None:
    id, _ = box.write("sh", "-c", "echo out; echo err >&2")
    started = await box.monitor.create(box.request(id))
    console = box.monitor.attach(box.bundle(id))
    await box.runtime.start(id, started.pid)
    assert await read_all(console) == {1: b"out\n", 2: b"err\n"}
    assert await box.end(id) == 0


async def test_input_and_its_end(box: Box) -> None:
    container, _ = await box.start("cat", stdin=True)
    console = box.monitor.attach(box.bundle(container.id))
    data = os.urandom(300_000).hex().encode()
    reading = asyncio.create_task(read_all(console))
    await console.write(data)
    console.close_stdin()
    assert (await reading)[1] == data
    assert await box.end(container.id) == 0


async def test_input_that_stays_open(box: Box) -> None:
    container, _ = await box.start("cat", stdin=True, leave_stdin_open=True)
    first = box.monitor.attach(box.bundle(container.id))
    await first.write(b"one\n")
    assert await read_until(first, b"one\n") == b"one\n"
    first.close()
    second = box.monitor.attach(box.bundle(container.id))
    await second.write(b"two\n")
    assert b"two\n" in await read_until(second, b"two\n")
    second.close()


async def test_a_terminal(box: Box) -> None:
    spec = ContainerSpec("i", tty=True, console_size=[20, 70])
    container, _ = await box.start("sh", spec=spec, tty=True, stdin=True)
    console = box.monitor.attach(box.bundle(container.id))
    await console.write(b"stty size\n")
    assert b"20 70" in await read_until(console, b"20 70")
    await box.monitor.resize(box.bundle(container.id), 33, 99)
    await console.write(b"while ! stty size | grep '33 9[9]'; do :; done; exit 5\n")
    assert b"33 99" in await read_until(console, b"33 99")
    console.close()
    assert await box.end(container.id) == 5


async def test_a_log_that_was_renamed(box: Box) -> None:
    container, _ = await box.start("cat", stdin=True, leave_stdin_open=True)
    bundle = box.bundle(container.id)
    console = box.monitor.attach(bundle)
    await console.write(b"before\n")
    await read_until(console, b"before\n")
    os.rename(f"{bundle}/log", f"{bundle}/log.1")
    await box.monitor.reopen_log(bundle)
    while not os.path.exists(f"{bundle}/log"):  # noqa: ASYNC110 - conmon tells nobody when it has done so
        await asyncio.sleep(0.005)
    await console.write(b"after\n")
    await read_until(console, b"after\n")
    assert box.log(container.id) == ["after"] and Path(f"{bundle}/log.1").read_text().endswith("before\n")
    console.close()


async def test_pause_and_resume(box: Box) -> None:
    container, _ = await box.start("sleep", "100")
    await box.runtime.pause(container.id)
    state = await box.runtime.state(container.id)
    assert state is not None and state["status"] == "paused"
    await box.runtime.resume(container.id)
    await box.runtime.kill(container.id, signal.SIGKILL)
    assert await box.end(container.id) == 137
    with pytest.raises(HostError):
        await box.runtime.kill(container.id, signal.SIGKILL)


async def exec_in(
    box: Box, container: Container, spec: ExecSpec, *, stdin: bool = False
) -> tuple[Started, str, list[Console]]:
    directory = str(box.path / "e" / new_id())
    os.makedirs(directory)
    process = plan_exec(container, spec, user=ResolvedUser(), env=["PATH=/bin", "A=b"], limits=probe())
    Path(f"{directory}/process.json").write_bytes(msgspec.json.encode(process))
    consoles: list[Console] = []
    request = ExecRequest(container.id, directory, box.runtime, tty=spec.tty, stdin=stdin)
    started = await box.monitor.exec(request, lambda: consoles.append(box.monitor.attach(directory)))
    return started, directory, consoles


async def test_exec(box: Box) -> None:
    container, _ = await box.start("sleep", "100")
    spec = ExecSpec(["sh", "-c", "echo $A; echo no >&2; exit 9"])
    started, directory, (console,) = await exec_in(box, container, spec)
    assert await read_all(console) == {1: b"b\n", 2: b"no\n"}
    assert await asyncio.wait_for(exit_code(started, directory, container.id), LONG) == 9


async def test_exec_with_input_and_terminal(box: Box) -> None:
    container, _ = await box.start("sleep", "100")
    started, directory, (console,) = await exec_in(box, container, ExecSpec(["cat"]), stdin=True)
    await console.write(b"hello")
    console.close_stdin()
    assert (await read_all(console))[1] == b"hello"
    assert await exit_code(started, directory, container.id) == 0
    # It waits: what a terminal said before its last user went is lost, if the monitor has not read it by then.
    wanted = ExecSpec(["sh", "-c", "stty size; read over"], tty=True, console_size=[11, 22])
    started, directory, (console,) = await exec_in(box, container, wanted, stdin=True)
    await read_until(console, b"11 22")
    await console.write(b"\n")
    await read_all(console)
    assert await exit_code(started, directory, container.id) == 0


async def test_exec_of_nothing(box: Box) -> None:
    container, _ = await box.start("sleep", "100")
    with pytest.raises(RuntimeFailed, match="executable file not found") as raised:
        await exec_in(box, container, ExecSpec(["nope"]))
    assert raised.value.exit_code == 127
    assert list(leftovers(str(box.path))) == [box.bundle(container.id)]


async def test_many_execs_at_once(box: Box) -> None:
    container, _ = await box.start("sleep", "100")

    async def one(code: int) -> int:
        started, directory, (console,) = await exec_in(box, container, ExecSpec(["sh", "-c", f"exit {code}"]))
        await read_all(console)
        return await exit_code(started, directory, container.id)

    assert await asyncio.gather(*(one(code) for code in range(8))) == list(range(8))


async def test_a_prepared_monitor_waits_and_can_be_given_up(box: Box) -> None:
    id, _ = box.write("sh", "-c", "exit 3")
    config = Path(f"{box.bundle(id)}/config.json")
    data = config.read_bytes()
    config.unlink()
    waiting = box.monitor.prepare(box.request(id))
    assert leftovers(str(box.path)) == {box.bundle(id): box.monitor.pids(box.bundle(id))[1]}
    assert not box.runtime.known()
    config.write_bytes(data)
    started = await box.monitor.create(waiting)
    await box.runtime.start(id, started.pid)
    assert await box.end(id) == 3
    second, _ = box.write("true")
    given_up = box.monitor.prepare(box.request(second))
    await given_up.abandon()
    await given_up.abandon()
    assert not box.monitor.alive(box.bundle(second)) and not box.runtime.known()[1:]


async def test_a_cancelled_creation_leaves_nothing(box: Box) -> None:
    for turns in range(1, 40, 6):
        id, _ = box.write("true")
        task = asyncio.create_task(box.monitor.create(box.request(id)))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        if task.cancelled():
            assert not box.monitor.alive(box.bundle(id)) and id not in box.runtime.known()


async def test_what_a_next_daemon_finds(box: Box) -> None:
    """Stages of a start, as somebody else would see them."""
    id, _ = box.write("sleep", "100")
    bundle = box.bundle(id)
    waiting = box.monitor.prepare(box.request(id))
    assert box.monitor.waits(bundle) and await box.monitor.process_state(bundle, id, box.runtime) == ""
    started = await box.monitor.create(waiting)
    assert await Monitor().process_state(bundle, id, box.runtime) == "created" and not box.monitor.waits(bundle)
    await box.runtime.start(id, started.pid)
    assert await Monitor().process_state(bundle, id, box.runtime) == "running"
    assert Monitor().pids(bundle) == (started.pid, started.monitor_pid)
    await Monitor().end(bundle)
    assert not Monitor().alive(bundle) and start_time(started.pid)
    os.kill(started.pid, signal.SIGKILL)
    assert await asyncio.wait_for(exit_code(started, box.exits.directory, id), LONG) == 255


async def test_a_monitor_that_was_never_told_to_go_is_found_without_its_file(box: Box) -> None:
    id, _ = box.write("true")
    waiting = box.monitor.prepare(box.request(id))
    os.unlink(f"{box.bundle(id)}/monitor")
    waits = partial(Monitor().waits, box.bundle(id))
    await eventually_async(waits, "its command line names the bundle: not in the moment of its exec")
    await Monitor().end(box.bundle(id))
    assert not leftovers(str(box.path)) and not box.runtime.known()
    await waiting.abandon()


async def test_exits_are_told_again(box: Box, tmp_path: Path) -> None:
    assert (await box.run("sh", "-c", "exit 4"))[0] == 4
    told: dict[str, int] = {}
    again = Exits(box.exits.directory)
    await again.start(told.__setitem__)
    await again.close()
    assert told == {box.ids[0]: 4} == {id: read_exit(f"{again.directory}/{id}") for id in again.known()}
    again.forget(box.ids[0])
    again.forget(box.ids[0])
    assert not again.known()


async def test_the_monitor_enters_its_own_cgroup(box: Box) -> None:
    group = f"{box.group}/monitors"
    box.cgroups.create(group)
    files = [f"{path}/cgroup.procs" for path in box.cgroups.paths(group)]
    container, started = await box.start("sleep", "100", cgroup_procs=files)
    assert box.cgroups.pids(group) == [started.monitor_pid]
    assert box.cgroups.pids(f"{box.group}/{container.id}") == [started.pid]
    os.kill(started.pid, signal.SIGKILL)
    await started.monitor.wait()
    box.cgroups.remove(group)


def inherited(pid: int) -> list[str]:
    found = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    return [target for target in found if not target.startswith(("/dev/", "pipe:", "socket:"))]


async def test_no_descriptor_of_the_daemon_reaches_the_process(box: Box, tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w") as secret:
        os.set_inheritable(secret.fileno(), False)
        container, started = await box.start("cat", stdin=True)
        console = box.monitor.attach(box.bundle(container.id))
        await console.write(b"here\n")
        await read_until(console, b"here\n")
        assert inherited(started.pid) == []
        assert str(tmp_path / "secret") not in inherited(started.monitor_pid)
        console.close()


async def test_a_bundle_below_a_long_path(box: Box, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 90) / ("e" * 90)
    deep.mkdir(parents=True)
    box.path = deep
    spec = ContainerSpec("i", tty=True)
    container, _ = await box.start("sh", spec=spec, tty=True, stdin=True)
    console = box.monitor.attach(box.bundle(container.id))
    await console.write(b"echo logged\n")
    await read_until(console, b"logged")  # what a terminal said last may be lost with its last user
    await console.write(b"exit 5\n")
    await read_all(console)
    assert await box.end(container.id) == 5 and "logged" in "".join(box.log(container.id))


async def test_oom_leaves_no_file_where_the_daemon_stands(box: Box, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    spec = ContainerSpec("i", resources=Resources(memory=8 << 20, memory_swap=8 << 20))
    code, _ = await box.run("sh", "-c", "dd if=/dev/zero of=/dev/null bs=64M count=1", spec=spec)
    assert code in (1, 137) and not (tmp_path / "oom").exists()


async def test_starting_by_command_works_too(box: Box) -> None:
    id, _ = box.write("sh", "-c", "exit 6")
    await box.monitor.create(box.request(id))
    await box.runtime.start(id)
    assert await box.end(id) == 6
    with pytest.raises(RuntimeFailed):
        await box.runtime.start(id)


async def test_a_process_that_died_before_its_start(box: Box) -> None:
    id, _ = box.write("true")
    started = await box.monitor.create(box.request(id))
    os.kill(started.pid, signal.SIGKILL)
    assert await box.end(id) == 137
    with pytest.raises(RuntimeFailed):
        await asyncio.wait_for(box.runtime.start(id, started.pid), LONG)


def test_no_child_is_left() -> None:
    """The tests above have waited for all that they started."""
    mine = {pid: cmdline(pid) for pid in children(os.getpid())}
    assert not [argv for argv in mine.values() if "conmon" in " ".join(argv)]
