"""Which cgroup hierarchies the host has.

v2: one tree with all controllers. v1: a tree for each controller. hybrid: v1 trees that hold the controllers,
and a v2 tree beside them that systemd uses for bookkeeping.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Version = Literal["v1", "v2", "hybrid"]


@dataclass(frozen=True)
class Layout:
    """`mounts` maps each usable controller to the directory of its hierarchy; `unified` is the v2 tree's, or "".

    On v1 and hybrid hosts `mounts` also has named hierarchies without controllers ("name=systemd").
    """

    version: Version
    mounts: dict[str, str]
    unified: str = ""

    @property
    def controllers(self) -> frozenset[str]:
        return frozenset(name for name in self.mounts if not name.startswith("name="))

    @property
    def v2(self) -> bool:
        """Whether limits are set in v2 files."""
        return self.version == "v2"

    def roots(self) -> list[str]:
        """The directories of all hierarchies that hold containers, each once."""
        return [self.unified] if self.v2 else list(dict.fromkeys(self.mounts.values()))


_FLAGS = {"rw", "ro", "clone_children", "noprefix", "xattr", "cpuset_v2_mode"}


def plan_layout(mountinfo: str, unified_controllers: str = "") -> Layout:
    """Pure: the layout, from /proc/self/mountinfo and the v2 root's cgroup.controllers.

    >>> line = "35 31 0:32 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct"
    >>> plan_layout(line).version, plan_layout(line).mounts["cpu"]
    ('v1', '/sys/fs/cgroup/cpu,cpuacct')
    >>> plan_layout("31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate", "cpu memory").mounts["cpu"]
    '/sys/fs/cgroup'
    """
    mounts: dict[str, str] = {}
    unified = ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, *rest = after.split(" ")
        if kind == "cgroup2":
            unified = unified or before.split(" ")[4]
        elif kind == "cgroup":
            options = [o for o in rest[-1].split(",") if o not in _FLAGS and not o.startswith("release_agent=")]
            for controller in options:
                mounts.setdefault(controller, before.split(" ")[4])
    if any(not name.startswith("name=") for name in mounts):
        return Layout("hybrid" if unified else "v1", mounts, unified)
    return Layout("v2", dict.fromkeys(unified_controllers.split(), unified), unified)


def detect() -> Layout:
    """The layout of this host."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mountinfo = file.read()
    layout = plan_layout(mountinfo)
    if not layout.v2 or not layout.unified:
        return layout
    with open(f"{layout.unified}/cgroup.controllers", encoding="ascii") as file:
        return plan_layout(mountinfo, file.read())


def parse_membership(text: str) -> dict[str, str]:
    """Pure: /proc/PID/cgroup as controller to path; the v2 tree is "".

    >>> parse_membership("4:cpu,cpuacct:/a\\n1:name=systemd:/b\\n0::/c:d\\n")
    {'cpu': '/a', 'cpuacct': '/a', 'name=systemd': '/b', '': '/c:d'}
    """
    fields = [line.split(":", 2) for line in text.splitlines()]
    return {controller: path for _, names, path in fields for controller in names.split(",")}
