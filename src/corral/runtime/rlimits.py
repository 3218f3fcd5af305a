"""Rlimits: the limits of a container's processes, as far as this host can set them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from corral.errors import InvalidInput
from corral.linux.limits import Limits
from corral.model.container import Ulimit

NAMES = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split()
)
_FILES_OF_CRUN = 40  # more on hosts with more cgroup trees: 31 on one with twelve
_UNLIMITED = 2**64 - 1  # how OCI writes it: the kernel's RLIM_INFINITY


def plan_rlimits(wanted: Sequence[Ulimit], limits: Limits) -> tuple[list[dict[str, Any]], list[str]]:
    """Pure: OCI's process.rlimits, and a warning for each limit that this host cannot raise so far.

    Without CAP_SYS_RESOURCE nobody can raise a hard limit: the container then gets the highest that there is.

    >>> host = Limits(frozenset(), rlimits={"nofile": 4096})
    >>> plan_rlimits([Ulimit("nofile", 1024, 8192)], host)[0]
    [{'type': 'RLIMIT_NOFILE', 'soft': 1024, 'hard': 4096}]
    >>> plan_rlimits([Ulimit("nofile", 1024, 8192)], host)[1][0][:46]
    'ulimit nofile=1024:8192 lowered to 1024:4096: '
    """
    found, warnings = [], []
    for ulimit in {entry.name: entry for entry in wanted}.values():
        check_ulimit(ulimit)
        soft, hard = limits.rlimit(ulimit.name, ulimit.soft, ulimit.hard)
        if (soft, hard) != (ulimit.soft, ulimit.hard):
            warnings.append(
                f"ulimit {ulimit.name}={ulimit.soft}:{ulimit.hard} lowered to {soft}:{hard}: the daemon has no "
                "CAP_SYS_RESOURCE to raise a hard limit with"
            )
        found.append({"type": f"RLIMIT_{ulimit.name.upper()}", "soft": _oci(soft), "hard": _oci(hard)})
    return found, warnings


def check_ulimit(ulimit: Ulimit) -> None:
    """Pure: raises InvalidInput for an unknown name, or a soft limit above the hard one."""
    if ulimit.name not in NAMES:
        raise InvalidInput(f"invalid ulimit type: {ulimit.name}")
    if ulimit.hard != -1 and (ulimit.soft == -1 or ulimit.soft > ulimit.hard):
        raise InvalidInput(f"ulimit soft limit must be less than or equal to hard limit: {ulimit.soft} > {ulimit.hard}")


def lacks_files(runtime: str, wanted: Sequence[Ulimit]) -> bool:
    """Pure: whether a runtime cannot make a container with so few open files: crun's own process has the limit, too, a
    while before it becomes the container's, and more files open by then. runc needs about a dozen.

    >>> few, enough = [Ulimit("nofile", 20, 40)], [Ulimit("nofile", 64, 64)]
    >>> lacks_files("crun", few), lacks_files("crun", enough), lacks_files("runc", few)
    (True, False, False)
    """
    soft = {entry.name: entry.soft for entry in wanted}.get("nofile", -1)
    return runtime == "crun" and 0 <= soft < _FILES_OF_CRUN


def _oci(value: int) -> int:
    return _UNLIMITED if value < 0 else value
