"""The monitor: one conmon for each process, which keeps its output and its exit status whether a daemon lives or not.

A bundle directory has, besides config.json::

    monitor      the monitor's own pid, written before it may make anything
    pid          the process, written by the runtime
    attach       the console's socket          ctl, winsz    pipes that take commands
    runtime.log  what the runtime complained of
    mounts       where the runtime finds the mounts, if it needs others than the host's (see `cover.py`)

What a daemon finds of one that was killed, by the line at which it died:

* before the monitor's start: a bundle without `monitor`. Nothing runs.
* just after: a monitor that waits for ever; `monitor` may be missing. `leftovers` finds it, `end` ends it.
* after "go": `monitor`, then a process made but not started: `process_state` says "created". Its exit file comes
  when that process is killed.
* after the start: all goes on by itself; `process_state` says "running", `attach` opens its console again.
* the process ended: its exit file is in the directory that `Exits` watches, the monitor is gone.
* the monitor was killed: `alive` is False, the process runs on, and nobody will know its exit code.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from corral.errors import Unavailable, from_oserror
from corral.linux.proc import alive, cmdline, group_text, start_time
from corral.linux.spawn import Child
from corral.runtime.conmon import leftovers, plan_arguments, plan_log
from corral.runtime.console import Console
from corral.runtime.ending import end_family
from corral.runtime.exits import read_exit
from corral.runtime.failure import last_error, plan_failure
from corral.runtime.handshake import Handshake
from corral.runtime.oci import OciRuntime, plain_words, resolve_program
from corral.runtime.warmth import move, own_group_file

log = logging.getLogger("corral.runtime")

CREATE = "failed to create task for container: failed to create shim task: OCI runtime create failed"
EXEC = "OCI runtime exec failed"
LOST = 255  # the exit code of a process whose monitor was killed

# "created": the runtime made the process, and its program was not executed. "": there is none.
ProcessState = Literal["running", "created", ""]


@dataclass(frozen=True)
class MonitorRequest:
    """One container. `log` None keeps none; `cgroup_procs` are files by which the monitor enters its own cgroup."""

    id: str
    bundle: str
    runtime: OciRuntime
    exits: str
    log: str | None = None
    tty: bool = False
    stdin: bool = False
    leave_stdin_open: bool = False
    remapped: bool = False  # its root is another outside
    cgroup_procs: Sequence[str] = ()


@dataclass(frozen=True)
class ExecRequest:
    """One more process: `directory` is its own, with process.json in it; its exit status goes there too."""

    container: str
    directory: str
    runtime: OciRuntime
    tty: bool = False
    stdin: bool = False
    cgroup_procs: Sequence[str] = ()


@dataclass(frozen=True)
class Started:
    """A process that was made. `monitor` is our child: `await started.monitor.wait()` returns when it has ended, and
    is negative when it was killed, so that no exit status will come."""

    pid: int
    monitor: Child

    @property
    def monitor_pid(self) -> int:
        return self.monitor.pid


@dataclass
class Waiting:
    """A monitor that has started and waits for `Monitor.create`."""

    request: MonitorRequest
    _talk: Handshake
    _moved: asyncio.Future[list[OSError]]
    taken: bool = False

    async def abandon(self) -> None:
        """Ends it. Nothing happens where `create` has taken it over."""
        if self.taken:
            return
        self.taken = True
        with self._talk:
            await _end(self._talk.child, self.request.bundle)
            await self._moved


class Monitor:
    """`path` "" finds conmon in the usual places."""

    def __init__(self, path: str = "") -> None:
        self.path = path or resolve_program("conmon") or ""
        self._warm = own_group_file()

    def require(self) -> str:
        """Its path. Unavailable where it is not installed."""
        if not self.path or not os.access(self.path, os.X_OK):
            raise Unavailable(f"conmon {self.path or 'is not installed'}: install the package conmon, or set its path")
        return self.path

    def prepare(self, request: MonitorRequest) -> Waiting:
        """Starts a monitor that waits, so that its own start-up (2 ms) and the move to its cgroup (5 to 10 ms) pass
        while the bundle is made ready. The bundle directory must be there, and the log's; config.json not yet.

        Unavailable when conmon or the runtime is missing; HostError.
        """
        arguments = [
            *plan_arguments(
                request.id,
                request.runtime,
                request.bundle,
                request.exits,
                request.tty,
                request.stdin,
                foreign=request.remapped,
            ),
            *(["--leave-stdin-open"] if request.leave_stdin_open else []),
            *["--log-path", plan_log(request.log)],
        ]
        talk, moved = self._begin(arguments, request.runtime, request.bundle, request.cgroup_procs, attach=False)
        return Waiting(request, talk, moved)

    async def create(self, request: MonitorRequest | Waiting) -> Started:
        """Makes the process, and does not start it. RuntimeFailed; nothing is left then, nor when cancelled."""
        waiting = request if isinstance(request, Waiting) else self.prepare(request)
        waiting.taken, wanted = True, waiting.request
        return await self._finish(
            waiting._talk, waiting._moved, CREATE, wanted.bundle, wanted.runtime, wanted.id, lambda: None
        )

    async def exec(self, request: ExecRequest, connected: Callable[[], None]) -> Started:
        """Starts one more process. `connected` is called when its console can be attached to, before the program
        runs, so nothing is lost. RuntimeFailed; nothing is left then, nor when cancelled."""
        arguments = [
            *plan_arguments(
                request.container, request.runtime, request.directory, request.directory, request.tty, request.stdin
            ),
            *["--exec", "--exec-attach", "--exec-process-spec", f"{request.directory}/process.json"],
            *["--log-path", "off"],
        ]
        talk, moved = self._begin(arguments, request.runtime, request.directory, request.cgroup_procs, attach=True)
        return await self._finish(talk, moved, EXEC, request.directory, request.runtime, "", connected)

    def _begin(
        self, arguments: list[str], runtime: OciRuntime, directory: str, cgroup_procs: Sequence[str], *, attach: bool
    ) -> tuple[Handshake, asyncio.Future[list[OSError]]]:
        runtime.require()
        talk = Handshake.begin([self.require(), *arguments], directory, attach=attach)
        try:
            with open(f"{directory}/monitor", "w") as file:
                file.write(str(talk.child.pid))
        except OSError as error:
            talk.child.kill()
            talk.close()
            raise from_oserror(f"write {directory}/monitor", error) from error
        files = list(cgroup_procs) or [self._warm] if self._warm or cgroup_procs else []
        moved = asyncio.get_running_loop().run_in_executor(None, move, talk.child.pid, files)
        return talk, moved

    async def _finish(
        self,
        talk: Handshake,
        moved: asyncio.Future[list[OSError]],
        prefix: str,
        directory: str,
        runtime: OciRuntime,
        created: str,
        connected: Callable[[], None],
    ) -> Started:
        """`created` is the container that must not be left behind, "" for an exec."""
        with talk:
            try:
                with runtime.ready(directory):
                    talk.go()
                    if not created and await talk.attachable():
                        connected()
                        talk.go()
                    answer = await talk.answer()
                for error in await moved:
                    log.warning("monitor %d stays in the daemon's cgroup: %s", talk.child.pid, error)
            except BaseException:
                await asyncio.shield(_undo(talk, directory, runtime, created))
                raise
            if answer.pid <= 0:
                told = _read(f"{directory}/runtime.log")
                words = last_error(told) or plain_words(told) or plain_words(answer.message)
                await _undo(talk, directory, runtime, created)
                raise plan_failure(prefix, words, _program(directory))
        return Started(answer.pid, talk.child)

    def attach(self, directory: str) -> Console:
        """The console of a process: HostError when there is no monitor. Read it all the time: conmon, and with it
        the process, stops when nobody does."""
        return Console.connect(directory)

    async def resize(self, directory: str, height: int, width: int) -> None:
        """HostError when there is no monitor."""
        _command(directory, f"1 {height} {width}\n")

    async def reopen_log(self, directory: str) -> None:
        """Tells the monitor that its log was renamed."""
        _command(directory, "2 0 0\n")

    def pids(self, bundle: str) -> tuple[int, int]:
        """The process and its monitor, 0 for one that was never there."""
        return _read_pid(f"{bundle}/pid"), _read_pid(f"{bundle}/monitor")

    def alive(self, directory: str) -> bool:
        """Whether the monitor of a bundle or exec directory lives."""
        return self._find(directory) > 0

    def _find(self, directory: str) -> int:
        """The pid of the directory's monitor, 0 if none lives. Where a daemon was killed before it wrote the pid, all
        processes are looked at."""
        pid = _read_pid(f"{directory}/monitor")
        if pid:
            return pid if directory in cmdline(pid) else 0
        return leftovers(directory).get(directory, 0)

    def waits(self, directory: str) -> bool:
        """Whether it has made nothing: its daemon died before saying "go", and nobody else ever will. `end` it."""
        return self.alive(directory) and not _read_pid(f"{directory}/pid")

    async def process_state(self, bundle: str, id: str, runtime: OciRuntime) -> ProcessState:
        """What became of a bundle's process. A zombie has ended: its monitor is about to say how."""
        pid = _read_pid(f"{bundle}/pid")
        if not pid or not alive(pid, start_time(pid)):
            return ""
        if runtime.gone:  # by its cgroup it is known to be the container's, and no later process with its pid
            return ("created" if runtime.unstarted(id) else "running") if id in group_text(pid) else ""
        state = await runtime.state(id)
        if state is None or state.get("pid") != pid or state.get("status") == "stopped":
            return ""
        return "created" if state.get("status") in ("created", "creating") else "running"

    async def end(self, directory: str) -> None:
        """Ends the monitor of a directory, with a runtime that it may be waiting for, and returns when they are gone.
        None there is fine. Call it before the runtime's `delete`, so that nothing is made any more. HostError."""
        pid = self._find(directory)
        if pid:
            await end_family(directory, pid)


async def exit_code(started: Started, directory: str, container: str) -> int:
    """Waits for the end of a process that this daemon started: its exit code; LOST when its monitor was killed."""
    await started.monitor.wait()
    code = read_exit(f"{directory}/{container}")
    return LOST if code is None else code


async def _undo(talk: Handshake, directory: str, runtime: OciRuntime, created: str) -> None:
    """Ends the monitor with the runtime that it waits for. Then the half-made container is removed."""
    await _end(talk.child, directory)
    if created:
        await runtime.delete(created, force=True)


async def _end(monitor: Child, directory: str) -> None:
    if monitor.code is None:
        await end_family(directory, monitor.pid)
        await monitor.wait()


def _command(directory: str, text: str) -> None:
    try:
        fd = os.open(f"{directory}/ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        raise from_oserror(f"tell the monitor of {directory}", error) from error


def _read(path: str) -> str:
    try:
        with open(path, errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def _program(directory: str) -> str:
    """What a bundle or an exec directory was to run; "" if that cannot be read."""
    process = _parsed(f"{directory}/process.json") or _parsed(f"{directory}/config.json").get("process", {})
    return next(iter(process.get("args", ())), "")


def _parsed(path: str) -> dict[str, Any]:
    try:
        found = json.loads(_read(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read_pid(path: str) -> int:
    text = _read(path).strip()
    return int(text) if text.isdigit() else 0
