"""A process in a container whose output the daemon takes itself: what health checks are made of."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress

import msgspec

from corral.engine.bundle import exec_process
from corral.engine.events import plan_title
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.errors import HostError
from corral.kit.ids import new_id
from corral.linux.spawn import OutOfTime
from corral.model.process import ExecSpec

STARTING = 30.0  # seconds in which a process has begun, or never will


async def run_captured(
    parts: Parts,
    live: Live,
    command: list[str],
    timeout: float,
    limit: int,
) -> tuple[int, bytes]:
    """Exit code and the first `limit` bytes of output. OutOfTime when it has run for `timeout` seconds: it is killed
    then. HostError if it has not even begun in STARTING seconds."""
    id = new_id()
    directory = parts.paths.exec(id)
    os.makedirs(directory)
    parts.tell(live, plan_title("exec_create", command), execID=id)
    try:
        process = exec_process(parts, live, ExecSpec(command))
        with open(f"{directory}/process.json", "wb") as file:
            file.write(msgspec.json.encode(process))
        runtime = parts.runtimes.of(live.record.runtime)
        parts.tell(live, plan_title("exec_start", command), execID=id)
        asked = time.monotonic()

        def more() -> float:
            return plan_rest(timeout, time.monotonic() - asked, _age(f"{directory}/pid"))

        try:
            done = await runtime.exec(live.id, f"{directory}/process.json", f"{directory}/pid", timeout, more)
        except OutOfTime as late:
            if _age(f"{directory}/pid") is None:
                raise HostError(f"timed out starting health check for container {live.id}") from late
            _kill(f"{directory}/pid")
            raise
        except BaseException:
            _kill(f"{directory}/pid")
            raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    parts.tell(live, "exec_die", execID=id, exitCode=str(done.code))
    return done.code, (done.out + done.err)[:limit]


def plan_rest(timeout: float, waited: float, age: float | None) -> float:
    """Pure: how many seconds a process still has that was asked for `waited` seconds ago and has run for `age` of them,
    None: it has not begun. On a busy machine it takes the runtime a while to come to it, which is no fault of its.

    >>> plan_rest(5.0, 5.0, None), plan_rest(5.0, 28.0, None), plan_rest(5.0, 30.0, None)
    (5.0, 2.0, 0.0)
    >>> plan_rest(5.0, 7.0, 4.0), plan_rest(5.0, 8.0, 5.0)
    (1.0, 0.0)
    """
    if age is None:
        return max(min(timeout, STARTING - waited), 0.0)
    return max(timeout - max(age, 0.0), 0.0)


def _age(pid_file: str) -> float | None:
    """For how many seconds the process has run: the runtime writes the file when it has started it."""
    try:
        return time.time() - os.stat(pid_file).st_mtime
    except FileNotFoundError:
        return None


def _kill(pid_file: str) -> None:
    """The process itself is no child of the runtime's command: it has to be ended by its own pid."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError), open(pid_file) as file:
        os.kill(int(file.read()), signal.SIGKILL)
