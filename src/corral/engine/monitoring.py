"""Watching over the monitors: one that was killed, or found the disk full, tells no exit status."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.stop import open_checked
from corral.linux.proc import exit_code, open_pidfd, wait_exit

log = logging.getLogger("corral.engine")

# The monitor was killed, or had no disk to write to, and the kernel does not tell (before 6.15), or no daemon was there
# to ask it; or the machine went down.
UNKNOWN_EXIT = 255


def watch_monitor(parts: Parts, live: Live) -> None:
    """The container runs. From now on its end is told even if its monitor cannot."""
    parts.tasks.start(f"monitor of {live.name}", _watch(parts, live))


async def _watch(parts: Parts, live: Live) -> None:
    state = live.record.state
    pid, start = state.pid, state.pid_start
    with _closing(open_checked(pid, start)) as process:  # opened while it is there, it tells of the end afterwards
        with _closing(open_pidfd(state.monitor_pid) if state.monitor_pid else None) as monitor:
            if monitor is not None:
                await wait_exit(monitor)
        if parts.exits.read(live.id) is not None or not _is_run(live, pid, start):
            return  # the usual end
        log.warning("the monitor of container %s ended without a word", live.name)
        code = None
        if process is not None:
            await wait_exit(process)
            code = exit_code(pid, start, process)
    if parts.exits.read(live.id) is None and _is_run(live, pid, start):
        parts.exits.write(live.id, UNKNOWN_EXIT if code is None else code)  # as the monitor would have told it


def _is_run(live: Live, pid: int, start: int) -> bool:
    state = live.record.state
    return (state.pid, state.pid_start) == (pid, start) and not live.removed


@contextmanager
def _closing(pidfd: int | None) -> Iterator[int | None]:
    try:
        yield pidfd
    finally:
        if pidfd is not None:
            os.close(pidfd)
