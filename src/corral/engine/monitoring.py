"""Watching over the monitors: one that was killed, or found the disk full, tells no exit status."""

from __future__ import annotations

import logging
import os

from corral.engine.parts import Parts
from corral.engine.registry import Live
from corral.engine.stop import open_checked
from corral.linux.proc import open_pidfd, wait_exit

log = logging.getLogger("corral.engine")

UNKNOWN_EXIT = 255  # the monitor was killed, or had no disk to write to, or the machine went down


def watch_monitor(parts: Parts, live: Live) -> None:
    """The container runs. From now on its end is told even if its monitor cannot."""
    parts.tasks.start(f"monitor of {live.name}", _watch(parts, live))


async def _watch(parts: Parts, live: Live) -> None:
    state = live.record.state
    pid, start = state.pid, state.pid_start
    await _gone(open_pidfd(state.monitor_pid) if state.monitor_pid else None)
    if parts.exits.read(live.id) is not None or not _is_run(live, pid, start):
        return  # the usual end
    log.warning("the monitor of container %s ended without a word; its exit status will not be known", live.name)
    await _gone(open_checked(pid, start))
    if parts.exits.read(live.id) is None and _is_run(live, pid, start):
        parts.exits.write(live.id, UNKNOWN_EXIT)  # as the monitor would have told it


def _is_run(live: Live, pid: int, start: int) -> bool:
    state = live.record.state
    return (state.pid, state.pid_start) == (pid, start) and not live.removed


async def _gone(pidfd: int | None) -> None:
    if pidfd is None:
        return
    try:
        await wait_exit(pidfd)
    finally:
        os.close(pidfd)
