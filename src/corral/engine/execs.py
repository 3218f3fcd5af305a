"""Exec: one more process in a running container. Its monitor is its own, so it too outlives the daemon."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field

import msgspec

from corral.engine.bundle import exec_process
from corral.engine.events import plan_title
from corral.engine.hub import Attachment, Hub
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.stop import has_ended
from corral.errors import Conflict, NotFound, RuntimeFailed, from_oserror
from corral.kit.ids import new_id
from corral.linux.proc import open_pidfd
from corral.model.process import Exec, ExecSpec
from corral.runtime.monitor import ExecRequest, Started, exit_code
from corral.runtime.users import resolve_user

KEPT_ENDED = 256  # sessions whose exit code can still be asked for


@dataclass
class Session:
    """A session's record, and its console while it runs."""

    record: Exec
    live: Live
    hub: Hub | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # it runs, or it has failed to
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class Execs:
    """The sessions, by id. They live in memory: an ended daemon's clients are gone, and so is who would ask."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._sessions: dict[str, Session] = {}
        self._ended: deque[str] = deque()
        parts.on_end.append(self._container_ended)

    async def create(self, ref: str, spec: ExecSpec) -> str:
        """A session that has not started: its id. NotFound; Conflict when the container does not run; InvalidInput
        for a user that it does not know."""
        live = self._parts.registry.get(ref)
        _check_running(live, ref)
        if spec.user:
            resolve_user(f"/proc/{live.record.state.pid}/root", spec.user)
        id = new_id()
        self._sessions[id] = Session(Exec(id, live.id, spec), live)
        live.execs.add(id)
        self._tell(id, plan_title("exec_create", spec.command))
        return id

    def get(self, id: str) -> Exec:
        """NotFound where there is no such session; a container's go with it."""
        return self._session(id).record

    def _session(self, id: str) -> Session:
        session = self._sessions.get(id)
        if session is None or session.live.removed:
            raise NotFound(f"No such exec instance: {id}")
        return session

    async def start(
        self, id: str, *, detach: bool = False, console_size: Sequence[int] | None = None, stdin: bool = True
    ) -> Attachment | None:
        """Starts the process: its streams, or None when detached.

        NotFound; Conflict when it has started before or the container does not run; RuntimeFailed when the
        program cannot be executed: the exit code is then 126 or 127.
        """
        session = self._session(id)
        record, live = session.record, session.live
        if record.started:
            raise Conflict(f"exec command {id} {'is already running' if record.running else 'has already run'}")
        _check_running(live)
        record.started = True
        self._tell(id, plan_title("exec_start", record.spec.command))
        session.hub = hub = Hub(
            lambda: self._parts.monitor.attach(self._parts.paths.exec(id)),
            tty=record.spec.tty,
            stdin_once=True,
            keep=True,
        )
        attachment = None if detach else self._join(session, hub, stdin)
        try:
            async with live.lock:  # a commit freezes the container for a while, a start makes it
                pass
            await self._run(session, console_size or record.spec.console_size)
        except BaseException as error:
            self._finish(id, error.exit_code if isinstance(error, RuntimeFailed) else 126)
            await hub.ended()
            if isinstance(error, RuntimeFailed):
                _check_running(live)  # what has changed since says it better
                if has_ended(live):
                    raise Conflict(f"container {live.id} is not running") from error
                if "paused container" in error.message:  # by a commit, for a moment
                    raise Conflict(f"Container {live.id} is paused, unpause the container before exec") from error
            if isinstance(error, OSError):
                raise from_oserror(f"start exec {id}", error) from error
            raise
        return attachment

    def _join(self, session: Session, hub: Hub, stdin: bool) -> Attachment:
        spec = session.record.spec
        streams = frozenset(([1] if spec.attach_stdout else []) + ([2] if spec.attach_stderr else []))
        return hub.join(stdin=stdin and spec.attach_stdin, streams=streams, running=False)

    async def _run(self, session: Session, console_size: Sequence[int]) -> None:
        parts, record, live, hub = self._parts, session.record, session.live, session.hub
        directory = parts.paths.exec(record.id)
        async with AsyncExitStack() as undo:
            os.makedirs(directory)
            undo.callback(shutil.rmtree, directory, ignore_errors=True)
            process = exec_process(parts, live, record.spec)
            if not str(process["cwd"]).startswith("/"):  # crun would take it as below the monitor's own
                raise RuntimeFailed("OCI runtime exec failed: exec failed: Cwd must be an absolute path: unknown")
            if console_size and record.spec.tty:
                process["consoleSize"] = {"height": console_size[0], "width": console_size[1]}
            with open(f"{directory}/process.json", "wb") as file:
                file.write(msgspec.json.encode(process))
            request = ExecRequest(
                container=live.id,
                directory=directory,
                runtime=parts.runtimes.of(live.record.runtime),
                tty=record.spec.tty,
                stdin=record.spec.attach_stdin,
                cgroup_procs=parts.monitor_procs,
            )
            assert hub is not None
            started = await parts.monitor.exec(request, hub.connect if hub.busy else lambda: None)
            undo.pop_all()
        record.running, record.pid = True, started.pid
        session.begun.set()
        parts.tasks.start(f"exec {record.id[:12]}", self._wait(session, started, directory))

    async def _wait(self, session: Session, started: Started, directory: str) -> None:
        code = await exit_code(started, directory, session.live.id)
        self._finish(session.record.id, code)
        if session.hub is not None:
            await session.hub.ended()
        await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    async def resize(self, id: str, height: int, width: int) -> None:
        """Conflict unless it runs. One that is being started is waited for: clients send its size at once."""
        session = self._session(id)
        if session.record.started:
            await session.begun.wait()
        if not session.record.running:
            raise Conflict(f"exec {id} is not running")
        await self._parts.monitor.resize(self._parts.paths.exec(id), height, width)

    async def wait(self, id: str) -> int:
        """The exit code, once it has ended."""
        session = self._session(id)
        await session.ended.wait()
        return session.record.exit_code or 0

    async def end(self, id: str) -> None:
        """SIGKILL to its process. One that has ended, or never started, is fine."""
        record = self._session(id).record
        pidfd = open_pidfd(record.pid) if record.running and record.pid else None
        if pidfd is None:
            return
        try:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        finally:
            os.close(pidfd)

    def _finish(self, id: str, code: int) -> None:
        session = self._sessions.get(id)
        if session is None or session.record.exit_code is not None:
            return
        ran = session.record.running
        session.record.running, session.record.exit_code = False, code  # its pid stays to be seen
        session.begun.set()
        session.ended.set()
        session.live.execs.discard(id)
        if ran:
            self._tell(id, "exec_die", exitCode=str(code))
        self._retire(id)

    def _retire(self, id: str) -> None:
        self._ended.append(id)
        while len(self._ended) > KEPT_ENDED:
            self._sessions.pop(self._ended.popleft(), None)

    def _container_ended(self, live: Live) -> None:
        """Sessions that were never started will not be, not even after the container's next start."""
        for id in sorted(live.execs):
            if not self._sessions[id].record.started:
                live.execs.discard(id)
                del self._sessions[id]

    def _tell(self, id: str, action: str, **more: str) -> None:
        session = self._sessions[id]
        self._parts.tell(session.live, action, execID=id, **more)


def _check_running(live: Live, ref: str = "") -> None:
    """Conflict in dockerd's words. `ref`: what the container was called by; else its id is said."""
    status = live.record.state.status
    if status == "paused":
        raise Conflict(f"Container {ref or live.id} is paused, unpause the container before exec")
    if status == "restarting":
        raise Conflict(f"Container {live.id} is restarting, wait until the container is running")
    if status != "running":
        raise Conflict(f"container {live.id} is not running")
