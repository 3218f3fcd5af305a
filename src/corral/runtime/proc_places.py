"""Mounts over /proc: a container whose /proc is not the kernel's could be told lies that its walls rest on, as by which
label a process runs. runc refuses them; crun does not, so we do. Pure.
"""

from __future__ import annotations

from typing import Final

PROC: Final = "/proc"
# What is known to be replaced by numbers of the container's own (lxcfs), or by an answer to one question.
ALLOWED: Final = frozenset(
    "/proc/cpuinfo /proc/diskstats /proc/meminfo /proc/stat /proc/swaps /proc/uptime /proc/loadavg /proc/slabinfo "
    "/proc/net/dev /proc/sys/kernel/ns_last_pid /proc/sys/crypto/fips_enabled".split()
)


def place_problem(source: str, target: str, real: str, *, is_proc: bool) -> str:
    """Why this may not be mounted there, in runc's words; "" if it may. `real` is where the target's links lead;
    `is_proc` whether the source is a proc file system, the only one that may be /proc itself.

    >>> place_problem("/srv", "/x", "/proc/sys/kernel", is_proc=False)
    'error mounting "/srv" to rootfs at "/x": "/proc/sys/kernel" cannot be mounted because it is inside /proc'
    >>> place_problem("/srv", "/proc/cpuinfo", "/proc/cpuinfo", is_proc=False)
    ''
    """
    if real in ALLOWED or not f"{real}/".startswith(f"{PROC}/") or (real == PROC and is_proc):
        return ""
    reason = "is not of type proc" if real == PROC else "is inside /proc"
    return f'error mounting "{source}" to rootfs at "{target}": "{real}" cannot be mounted because it {reason}'
