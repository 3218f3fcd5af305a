"""What this process may do on this host: capabilities, resource limits, security modules, kernel version.

A host may lack CAP_SYS_RESOURCE (sandboxes, nested containers): raising a hard limit or lowering
oom_score_adj fails there. `Limits` answers what can be asked for instead of failing.
"""

from __future__ import annotations

import os
import re
import resource
from dataclasses import dataclass, field

# In the order of their numbers in the kernel.
CAPABILITIES = tuple(
    "CAP_" + name
    for name in (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE "
        "NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT "
        "SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE "
        "AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ "
        "PERFMON BPF CHECKPOINT_RESTORE"
    ).split()
)

_RLIMITS = (
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
).split()
_RLIMIT_NUMBERS = {"locks": 10, "rttime": 15}  # those that Python has no constant for


@dataclass(frozen=True)
class Limits:
    """`rlimits` are the hard limits by lower-case name, -1 is unlimited; `kernel` is (major, minor)."""

    capabilities: frozenset[str] = frozenset(CAPABILITIES)
    bounding: frozenset[str] = frozenset(CAPABILITIES)
    rlimits: dict[str, int] = field(default_factory=dict)
    oom_score_adj: int = 0
    apparmor: bool = False
    selinux: bool = False
    seccomp_actions: frozenset[str] = frozenset()
    kernel: tuple[int, int] = (0, 0)

    @property
    def may_raise(self) -> bool:
        """Whether hard limits can be raised and oom_score_adj lowered."""
        return "CAP_SYS_RESOURCE" in self.capabilities

    @property
    def seccomp(self) -> bool:
        """Whether the kernel filters system calls."""
        return "errno" in self.seccomp_actions

    def rlimit(self, name: str, soft: int, hard: int) -> tuple[int, int]:
        """The (soft, hard) nearest to those wanted that the host allows; -1 is unlimited.

        >>> Limits(frozenset(), rlimits={"nofile": 4096}).rlimit("nofile", 1024, 1048576)
        (1024, 4096)
        >>> Limits(frozenset(), rlimits={"nofile": 4096}).rlimit("nofile", -1, -1)
        (4096, 4096)
        >>> Limits(rlimits={"nofile": 4096}).rlimit("nofile", -1, -1)
        (-1, -1)
        """
        ours = self.rlimits.get(name, -1)
        if self.may_raise or ours == -1:
            return soft, hard
        hard = ours if hard == -1 else min(hard, ours)
        return (hard if soft == -1 else min(soft, hard)), hard

    def oom_score(self, wanted: int) -> int:
        """The score nearest to that wanted: without CAP_SYS_RESOURCE it can only rise.

        >>> Limits(frozenset(), oom_score_adj=0).oom_score(-500), Limits().oom_score(-500)
        (0, -500)
        """
        return wanted if self.may_raise else max(wanted, self.oom_score_adj)


def parse_capabilities(mask: str) -> frozenset[str]:
    """Pure: the names behind a hexadecimal mask of /proc/PID/status. Numbers without a name are left out.

    >>> sorted(parse_capabilities("0000000000000021"))
    ['CAP_CHOWN', 'CAP_KILL']
    """
    bits = int(mask, 16)
    return frozenset(name for number, name in enumerate(CAPABILITIES) if bits >> number & 1)


def parse_kernel(release: str) -> tuple[int, int]:
    """Pure.

    >>> parse_kernel("6.1.0-18-amd64"), parse_kernel("6.9-rc1")
    ((6, 1), (6, 9))
    """
    found = re.match(r"(\d+)\.(\d+)", release)
    return (int(found.group(1)), int(found.group(2))) if found else (0, 0)


def probe() -> Limits:
    """Asks the kernel. Cheap; the answer does not change while the process runs."""
    status = dict(line.split(":\t", 1) for line in _read("/proc/self/status").splitlines() if ":\t" in line)
    return Limits(
        capabilities=parse_capabilities(status.get("CapEff", "0")),
        bounding=parse_capabilities(status.get("CapBnd", "0")),
        rlimits=_hard_limits(),
        oom_score_adj=int(_read("/proc/self/oom_score_adj") or 0),
        apparmor=_read("/sys/module/apparmor/parameters/enabled").startswith("Y"),
        selinux=os.path.exists("/sys/fs/selinux/enforce"),
        seccomp_actions=frozenset(_read("/proc/sys/kernel/seccomp/actions_avail").split()),
        kernel=parse_kernel(os.uname().release),
    )


def _hard_limits() -> dict[str, int]:
    found = {}
    for name in _RLIMITS:
        number = _RLIMIT_NUMBERS.get(name, getattr(resource, f"RLIMIT_{name.upper()}", None))
        if number is not None:
            found[name] = resource.getrlimit(number)[1]
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:  # an optional feature of the kernel that is not there
        return ""
