"""The monitor: one conmon for each process, which keeps its output and its exit status whether a daemon lives or not.

A bundle directory has, besides config.json::

    pid          the process, written by the runtime
    monitor      the monitor's own pid
    attach       the console's socket          ctl, winsz    pipes that take commands
    runtime.log  what the runtime complained of

What a daemon that was killed leaves: before the spawn a bundle without `monitor`; after it the monitor makes the
process and waits for nobody ("created" in the runtime's eyes, until somebody starts it); after the start all
goes on by itself. `process_state` tells these apart, `Exits` has what has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from corral.errors import HostError, Unavailable, from_oserror
from corral.linux.proc import alive, cmdline, open_pidfd, start_time
from corral.linux.spawn import Child, spawn
from corral.runtime.console import Console
from corral.runtime.failure import last_error, plan_failure
from corral.runtime.oci import OciRuntime, plain_words, resolve_program

CREATE = "failed to create task for container: failed to create shim task: OCI runtime create failed"
EXEC = "OCI runtime exec failed"
# Go programs start a thread for each core; these do one thing and end.
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GOMAXPROCS": "2"}


# "created": the runtime made the process, and its program was not executed. "": there is none.
ProcessState = Literal["running", "created", ""]


@dataclass(frozen=True)
class MonitorRequest:
    """One container. `log` None keeps none; `cgroup_procs` are files into which the monitor writes itself."""

    id: str
    bundle: str
    runtime: OciRuntime
    exits: str
    log: str | None = None
    tty: bool = False
    stdin: bool = False
    leave_stdin_open: bool = False
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
    pid: int
    monitor_pid: int


class Monitor:
    """`path` "" finds conmon in the usual places."""

    def __init__(self, path: str = "") -> None:
        self.path = path or resolve_program("conmon") or ""

    def _require(self) -> str:
        if not self.path or not os.access(self.path, os.X_OK):
            raise Unavailable(f"conmon {self.path or 'is not installed'}: install the package conmon, or set its path")
        return self.path

    async def create(self, request: MonitorRequest) -> Started:
        """Starts a monitor, which makes the process but does not start it. RuntimeFailed; nothing is left then."""
        arguments = [
            *_common(request.id, request.runtime, request.bundle, request.exits, request.tty, request.stdin),
            *(["--leave-stdin-open"] if request.leave_stdin_open else []),
            *["--log-path", f"k8s-file:{request.log}" if request.log else "off"],
        ]
        async with _Handshake(self._require(), arguments, request.cgroup_procs) as talk:
            talk.go()
            pid = await talk.answer(CREATE, f"{request.bundle}/runtime.log")
        return Started(pid, _read_pid(f"{request.bundle}/monitor"))

    async def exec(self, request: ExecRequest, connected: Callable[[], None]) -> Started:
        """Starts one more process. `connected` is given its console before the program runs, so nothing is lost."""
        arguments = [
            *_common(
                request.container, request.runtime, request.directory, request.directory, request.tty, request.stdin
            ),
            *["--exec", "--exec-attach", "--exec-process-spec", f"{request.directory}/process.json"],
            *["--log-path", "off"],
        ]
        async with _Handshake(self._require(), arguments, request.cgroup_procs, attach=True) as talk:
            talk.go()
            await talk.attachable()
            connected()
            talk.go()
            pid = await talk.answer(EXEC, f"{request.directory}/runtime.log")
        return Started(pid, _read_pid(f"{request.directory}/monitor"))

    def attach(self, directory: str) -> Console:
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
        pid = _read_pid(f"{directory}/monitor")
        return pid > 0 and directory in cmdline(pid)

    async def process_state(self, bundle: str, id: str, runtime: OciRuntime) -> ProcessState:
        """What became of a bundle's process. A zombie has ended: its monitor is about to say how."""
        pid = _read_pid(f"{bundle}/pid")
        if not pid or not alive(pid, start_time(pid)):
            return ""
        state = await runtime.state(id)
        if state is None or state.get("pid") != pid or state.get("status") == "stopped":
            return ""
        return "created" if state.get("status") in ("created", "creating") else "running"

    async def end(self, directory: str) -> None:
        """Ends a monitor that may be left without a process. None there is fine."""
        pid = _read_pid(f"{directory}/monitor")
        pidfd = open_pidfd(pid) if self.alive(directory) else None
        if pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            os.close(pidfd)


def _common(id: str, runtime: OciRuntime, directory: str, exits: str, tty: bool, stdin: bool) -> list[str]:
    arguments = [
        *["--api-version", "1", "--cid", id, "--cuuid", id, "--name", id, "--runtime", runtime.path],
        *["--bundle", directory, "--container-pidfile", f"{directory}/pid", "--conmon-pidfile", f"{directory}/monitor"],
        *["--exit-dir", exits, "--full-attach"],
        *(["--terminal"] if tty else []),
        *(["--stdin"] if stdin else []),
    ]
    given = [*runtime.global_arguments, "--log", f"{directory}/runtime.log", "--log-format", "json"]
    for argument in given:
        arguments += ["--runtime-arg", argument]
    return arguments


class _Handshake:
    """The pipes by which conmon reports: one for its answers, one that makes it go on, one for "attach now"."""

    def __init__(self, path: str, arguments: list[str], cgroup_procs: Sequence[str], attach: bool = False) -> None:
        self._argv = [path, *arguments]
        if cgroup_procs:
            enter = " ".join('echo $$ >"$1"; shift;' for _ in cgroup_procs)
            self._argv = ["/bin/sh", "-c", f'{enter} exec "$@"', "sh", *cgroup_procs, *self._argv]
        self._want_attach = attach
        self._ours: list[int] = []

    async def __aenter__(self) -> _Handshake:
        sync, sync_end = os.pipe2(os.O_CLOEXEC)
        start_end, start = os.pipe2(os.O_CLOEXEC)
        attach, attach_end = os.pipe2(os.O_CLOEXEC)
        self._ours = [sync, start, attach]
        env = {**ENVIRONMENT, "_OCI_SYNCPIPE": "3", "_OCI_STARTPIPE": "4"}
        fds = {3: sync_end, 4: start_end}
        if self._want_attach:
            env["_OCI_ATTACHPIPE"] = "5"
            fds[5] = attach_end
        errors = os.memfd_create("conmon", os.MFD_CLOEXEC)
        self._ours.append(errors)
        try:
            self._child: Child = spawn(self._argv, env=env, stderr=errors, pass_fds=fds)
        except HostError:
            self._close()
            raise
        finally:
            for fd in (sync_end, start_end, attach_end):
                os.close(fd)
        self._sync, self._attach = _Lines(sync), _Lines(attach)
        self._start, self._errors = start, errors
        return self

    def go(self) -> None:
        with contextlib.suppress(BrokenPipeError):
            os.write(self._start, b"\0")

    async def attachable(self) -> None:
        """Returns when the console's socket is there, or when conmon has failed: its answer says why."""
        await self._attach.read()

    async def answer(self, prefix: str, log: str) -> int:
        """The pid, once the process is made."""
        line = await self._sync.read()
        said = json.loads(line) if line else {}
        pid = int(said.get("data", -1))
        if pid <= 0:
            await self._child.wait()
            raise plan_failure(
                prefix, last_error(_read(log)) or plain_words(str(said.get("message", ""))) or self._said()
            )
        return pid

    def _said(self) -> str:
        return os.pread(self._errors, 4096, 0).decode("utf-8", "replace").strip()

    async def __aexit__(self, *exc: object) -> None:
        self._sync.close()
        self._attach.close()
        self._close()

    def _close(self) -> None:
        for fd in self._ours:
            os.close(fd)


class _Lines:
    """Reads one line from a pipe without blocking the loop."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._data = b""
        os.set_blocking(fd, False)

    async def read(self) -> bytes:
        """The next line; what there is at the end of file."""
        while b"\n" not in self._data:
            ready = asyncio.Event()
            self._loop.add_reader(self._fd, ready.set)
            try:
                await ready.wait()
            finally:
                self._loop.remove_reader(self._fd)
            part = os.read(self._fd, 65536)
            if not part:
                break
            self._data += part
        line, _, self._data = self._data.partition(b"\n")
        return line

    def close(self) -> None:
        self._loop.remove_reader(self._fd)


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


def _read_pid(path: str) -> int:
    text = _read(path).strip()
    return int(text) if text.isdigit() else 0
