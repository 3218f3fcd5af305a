"""Starts that fail, pauses, execs, and what a next daemon finds."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from corral.errors import HostError, RuntimeFailed, Unavailable
from corral.kit.ids import new_id
from corral.linux.limits import probe
from corral.linux.proc import start_time
from corral.model.container import Container, ContainerSpec, Resources
from corral.model.process import ExecSpec
from corral.runtime.conmon import leftovers
from corral.runtime.console import Console
from corral.runtime.exits import Exits, read_exit
from corral.runtime.monitor import ExecRequest, Monitor, Started, exit_code
from corral.runtime.oci import OciRuntime
from corral.runtime.plan import plan_exec
from corral.runtime.users import ResolvedUser
from tests.support.wait import eventually_async
from tests.system.runtime.box import LONG, Box, read_all, read_until

pytestmark = pytest.mark.root


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
