"""The end of a cgroup: a group can be removed only when its last process has left it, a moment after its end.

The v2 tree tells when that is (the file `cgroup.events` changes). The v1 trees do not: there the ends of the processes
are waited for, and then once more for the kernel to take them out.
"""

from __future__ import annotations

import asyncio
import errno
import os

from corral.errors import HostError
from corral.linux.cgroup_stats import parse_flat
from corral.linux.cgroups import Cgroups
from corral.linux.inotify import MODIFY, Inotify
from corral.linux.proc import open_pidfd, wait_exit

_SOON = 0.002  # seconds: a process of v1 has ended, but is still on its way out; nothing tells when it is


async def remove_group(cgroups: Cgroups, group: str, patience: float = 10.0) -> None:
    """Removes a group; all in it and below it is killed first. A missing group is fine.

    HostError when that takes longer than `patience` seconds: the message says what is busy.
    """
    try:
        async with asyncio.timeout(patience):
            while not await asyncio.to_thread(_try_remove, cgroups, group):
                await end_processes(cgroups, group)
                if not cgroups.layout.v2:
                    await asyncio.sleep(_SOON)
    except TimeoutError:
        pids = ", ".join(map(str, cgroups.pids(group)))
        words = f"process {pids} in cgroup {group} does not end" if pids else f"remove cgroup {group}: it stays busy"
        raise HostError(words, errno.EBUSY) from None


async def end_processes(cgroups: Cgroups, group: str) -> None:
    """Kills all in a group and below it, and returns when they are gone. A missing group is fine."""
    while pids := cgroups.pids(group):
        cgroups.kill(group)
        if cgroups.layout.v2:
            await _unpopulated(f"{cgroups.path(group)}/cgroup.events")
        elif not await _ended(pids):
            await asyncio.sleep(_SOON)


async def _unpopulated(path: str) -> None:
    """v2: returns when no process is in the group, or the group is gone."""
    inotify = Inotify()
    try:
        inotify.add(path, MODIFY)
        events = aiter(inotify)
        while parse_flat(_read(path)).get("populated"):
            await anext(events)
    except HostError as error:
        if error.errno != errno.ENOENT:
            raise
    finally:
        inotify.close()


async def _ended(pids: list[int]) -> bool:
    """Waits for the ends of processes. False if there was nothing to wait for any more."""
    waited = False
    for pid in pids:
        pidfd = open_pidfd(pid)
        if pidfd is None:
            continue
        waited = True
        try:
            await wait_exit(pidfd)
        finally:
            os.close(pidfd)
    return waited


def _try_remove(cgroups: Cgroups, group: str) -> bool:
    """False while it is busy. Blocks: v1 has a dozen directories for each."""
    try:
        cgroups.remove(group)
    except HostError as error:
        if error.errno != errno.EBUSY:
            raise
        return False
    return True


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError:  # the group is gone
        return ""
