"""Warmth: paying for a cgroup migration before the runtime has to.

The first move of a process between cgroups waits for a grace period of the whole kernel (RCU): 5 to 10 ms. Moves
that follow soon after do not wait. The runtime moves each container's process, in the middle of what everybody
waits for. So one move is made earlier, in a thread, while monitor and runtime still start: the runtime's then
finds the price paid. The monitor itself is what is moved: into the group where it belongs, or into the one that it
is in already.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from corral.linux.cgroup_layout import Layout, detect
from corral.linux.cgroups import membership


def own_group_file(layout: Layout | None = None) -> str:
    """The `cgroup.procs` of the group this process is in, of one hierarchy that holds containers. "" if unknown."""
    layout = layout or detect()
    groups = membership(os.getpid())
    hierarchies = [("", layout.unified)] if layout.v2 else [(name, layout.mounts.get(name, "")) for name in _V1]
    for name, mount in hierarchies:
        path = f"{mount}{groups.get(name, '').rstrip('/')}/cgroup.procs"
        if mount and name in groups and os.access(path, os.W_OK):
            return path
    return ""


_V1 = ("pids", "devices", "memory", "cpu")


def move(pid: int, files: Sequence[str]) -> list[OSError]:
    """Writes a pid into files named cgroup.procs. A process that has ended is fine. Blocks for some ms."""
    failed: list[OSError] = []
    for path in files:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, str(pid).encode())
            finally:
                os.close(fd)
        except ProcessLookupError:
            return failed
        except OSError as error:
            failed.append(error)
    return failed
