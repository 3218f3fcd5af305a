"""Nothing: the stdin of a process that is given none, where the runtime would give away the host's /dev/null.

The monitor opens /dev/null on the host. crun before 1.24 makes the streams of a process belong to its user, whatever
they are: with an exec's as soon as it is not root's, with a container's if its root is another outside. That user could
then take the host's /dev/null away from everybody (`chmod 0 /proc/self/fd/0`). So a shell puts another in its place
before the runtime begins: the same device by way of a read-only mount, where crun is refused, and goes on.
"""

from __future__ import annotations

import os
import re
import weakref

from corral.errors import HostError
from corral.linux.idmap import read_only_view

FIXED = (1, 24)


class Nothing:
    """The other /dev/null, for as long as this object is there."""

    def __init__(self, fd: int) -> None:
        self.path = f"/proc/{os.getpid()}/fd/{fd}"
        weakref.finalize(self, os.close, fd)

    def command(self, *, output: bool = False) -> list[str]:
        """What is put before a command that is to have it as stdin, and as stdout, too, where a terminal is made."""
        return ["/bin/sh", "-c", 'exec "$@" <"$0" >"$0"' if output else 'exec "$@" <"$0"', self.path]


def nothing_for(name: str, version: str) -> Nothing | None:
    """None for a runtime that needs none, and on a kernel that has no such mounts."""
    if not gives_away(name, version):
        return None
    try:
        return Nothing(read_only_view("/dev/null"))
    except HostError:
        return None


def gives_away(name: str, version: str) -> bool:
    """Pure: whether that release of a runtime makes devices belong to a process' user.

    >>> gives_away("crun", "1.8.1"), gives_away("crun", "1.24"), gives_away("runc", "1.1.5+ds1")
    (True, False, False)
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    return name == "crun" and not (found and (int(found[1]), int(found[2])) >= FIXED)
