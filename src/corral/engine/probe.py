"""A process in a container whose output the daemon takes itself: what health checks are made of."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress

import msgspec

from corral.engine.bundle import exec_process
from corral.engine.events import plan_title
from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.kit.ids import new_id
from corral.model.process import ExecSpec


async def run_captured(
    parts: Parts,
    live: Live,
    command: list[str],
    timeout: float,
    limit: int,
) -> tuple[int, bytes]:
    """Exit code and the first `limit` bytes of output. OutOfTime after `timeout` seconds: it is killed then."""
    id = new_id()
    directory = parts.paths.exec(id)
    os.makedirs(directory)
    parts.tell(live, plan_title("exec_create", command), execID=id)
    try:
        process = exec_process(parts, live, ExecSpec(command))
        with open(f"{directory}/process.json", "wb") as file:
            file.write(msgspec.json.encode(process))
        runtime = parts.runtimes.get(live.record.runtime)
        parts.tell(live, plan_title("exec_start", command), execID=id)
        try:
            done = await runtime.exec(live.id, f"{directory}/process.json", f"{directory}/pid", timeout)
        except BaseException:
            _kill(f"{directory}/pid")
            raise
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    parts.tell(live, "exec_die", execID=id, exitCode=str(done.code))
    return done.code, (done.out + done.err)[:limit]


def _kill(pid_file: str) -> None:
    """The process itself is no child of the runtime's command: it has to be ended by its own pid."""
    with suppress(FileNotFoundError, ValueError, ProcessLookupError), open(pid_file) as file:
        os.kill(int(file.read()), signal.SIGKILL)
