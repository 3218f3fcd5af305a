"""Sealed: a copy of crun's program in memory that nobody can change, to be executed in its place.

A container's process is made by the runtime's own, and could write to its program through /proc. So crun copies itself
behind a read-only mount and executes the copy, each time: 1 to 3 ms, and more where other mounts come and go. One that
is executed from sealed memory finds that there is nothing to do.
"""

from __future__ import annotations

import fcntl
import os
import weakref

from corral.errors import HostError
from corral.linux.spawn import run

_EXECUTABLE = 0x10  # MFD_EXEC: Linux 6.3, which can be told to refuse memory that does not say what it is for
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE


class Sealed:
    """The copy, for as long as this object is there. `path` is for processes that start meanwhile."""

    def __init__(self, fd: int) -> None:
        self.path = f"/proc/{os.getpid()}/fd/{fd}"
        weakref.finalize(self, os.close, fd)


async def seal(path: str) -> Sealed | None:
    """None where this host has no such memory, or executes nothing from it."""
    try:
        made = Sealed(_copy(path))
        done = await run([made.path, "--version"], timeout=10)
    except (OSError, HostError):
        return None
    return made if done.code == 0 else None


def _copy(path: str) -> int:
    name = os.path.basename(path)
    try:
        written = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | _EXECUTABLE)
    except OSError:  # an older kernel
        written = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(written, "wb") as copy, open(path, "rb") as program:
        while part := program.read(1 << 20):
            copy.write(part)
        copy.flush()
        fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
        # What is open for writing cannot be executed.
        return os.open(f"/proc/self/fd/{copy.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
