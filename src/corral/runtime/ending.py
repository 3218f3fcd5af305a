"""Ending a monitor with all that it has begun, so that nothing is made any more when this is over.

A monitor starts the runtime, and the runtime a process that becomes the container's. The kernel kills the runtime when
the monitor dies, and the half-made process ends when the runtime is gone; but each only a moment later, and the
runtime finishes the system call that it is in: it may make a cgroup, or move a process into one. So all are waited for.

What is made already, and waits for its start or runs, is left alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from itertools import pairwise

from corral.errors import HostError
from corral.linux.proc import children, cmdline, open_pidfd, start_time, wait_exit

Process = tuple[int, int]  # pid, start time
PATIENCE = 30.0  # seconds for the kernel to end processes that got SIGKILL


async def end_family(directory: str, monitor: int) -> None:
    """Kills the monitor of a bundle or exec directory, and what it is making, and returns when they are gone.

    HostError when one does not end.
    """
    await _end([*_known([monitor]), *_makers(directory, children(monitor))])
    if os.path.exists(f"{directory}/pid"):
        return  # all was made
    while late := _makers(directory, _everybody()):  # the monitor began it between our look and its end
        await _end(late)


def makes(arguments: list[str], directory: str) -> bool:
    """Pure: whether a process with these arguments makes something for a bundle or exec directory.

    >>> makes(["/usr/bin/runc", "create", "--bundle", "/b", "--pid-file", "/b/pid", "id"], "/b")
    True
    >>> makes(["/usr/bin/conmon", "--container-pidfile", "/b/pid"], "/b"), makes(["less", "/b/pid"], "/b")
    (True, False)
    """
    options = [("--pid-file", f"{directory}/pid"), ("--container-pidfile", f"{directory}/pid")]
    return any(pair in options for pair in pairwise(arguments))


def _makers(directory: str, pids: Iterable[int]) -> list[Process]:
    """Those of the processes that make something for `directory`, and what they have begun."""
    found: list[Process] = []
    for pid, start in _known(pids):
        if makes(cmdline(pid), directory):
            found += [(pid, start), *_known(_descendants(pid))]
    return found


def _known(pids: Iterable[int]) -> list[Process]:
    return [(pid, start_time(pid)) for pid in pids]


def _descendants(pid: int) -> list[int]:
    found = children(pid)
    for child in found:  # which grows
        found += children(child)
    return found


def _everybody() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


async def _end(processes: list[Process]) -> None:
    with ExitStack() as held:
        handles: dict[int, int] = {}
        for pid, start in processes:
            if (pidfd := open_pidfd(pid)) is not None:
                held.callback(os.close, pidfd)
                if start_time(pid) == start:  # else it has ended, and the number is another's by now
                    handles[pid] = pidfd
        for pidfd in handles.values():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for pid, pidfd in handles.items():
            try:
                async with asyncio.timeout(PATIENCE):
                    await wait_exit(pidfd)
            except TimeoutError:
                raise HostError(f"process {pid} got SIGKILL {PATIENCE:.0f} s ago and does not end") from None
