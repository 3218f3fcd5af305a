"""Control groups: the kernel's trees of processes that are counted and limited together.

A group is a path like "/corral/ID", the same below every hierarchy of the host's `Layout`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress

from corral.errors import HostError, from_oserror
from corral.linux.cgroup_layout import Layout, Version, detect, parse_membership, plan_layout
from corral.linux.cgroup_stats import parse_flat, stats_v1, stats_v2
from corral.model.stats import CgroupStats

__all__ = ["Cgroups", "Layout", "Version", "detect", "membership", "parse_membership", "plan_layout"]


def membership(pid: int) -> dict[str, str]:
    """The groups that a process is in, by controller ("" is the v2 tree); empty if it is gone."""
    text = _read(f"/proc/{pid or 'self'}/cgroup")
    return parse_membership(text)


class Cgroups:
    """The groups of one layout. Every call is a few small files: inline on the event loop, but see `enter`."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def path(self, group: str, controller: str = "") -> str:
        """The directory of a group for a controller; "" is the one that stands for all (v2, or any v1 tree)."""
        if self.layout.v2:
            return self.layout.unified + group
        root = self.layout.mounts.get(controller)
        if root is None:
            root = self.layout.mounts.get("pids") or self.layout.roots()[0]
        return root + group

    def paths(self, group: str) -> list[str]:
        """Its directories, one in each hierarchy."""
        return [root + group for root in self.layout.roots()]

    def _anywhere(self, group: str) -> list[str]:
        """As `paths`, and on a hybrid host also in the v2 tree, where runtimes make the group too."""
        unified = self.layout.unified
        return list(dict.fromkeys([*self.paths(group), *([unified + group] if unified else [])]))

    def exists(self, group: str) -> bool:
        return any(os.path.isdir(path) for path in self._anywhere(group))

    def create(self, group: str) -> None:
        """Makes a group and its ancestors; it may exist. On v2 the ancestors hand their controllers down."""
        try:
            for root in self.layout.roots():
                for above, path in _steps(root, group):
                    if self.layout.v2:
                        self._hand_down(above)
                    if not os.path.isdir(path):
                        os.makedirs(path, exist_ok=True)
                        self._inherit_cpuset(root, above, path)
        except OSError as error:
            raise from_oserror(f"create cgroup {group}", error) from error

    def hand_down(self, group: str) -> None:
        """v2: lets the group's children use its controllers. The group itself must hold no process."""
        if self.layout.v2:
            self._hand_down(self.layout.unified + group)

    def _hand_down(self, path: str) -> None:
        present = set(_read(f"{path}/cgroup.subtree_control").split())
        missing = plan_hand_down(_read(f"{path}/cgroup.controllers").split(), present)
        # Handing down from a group with processes would either fail or, worse, make the group "threaded", and its
        # children take no processes. Only the root of all may have both; it is the one without a type.
        if missing and os.path.exists(f"{path}/cgroup.type") and _read(f"{path}/cgroup.procs"):
            return
        for controller in missing:
            # One by one: a refused controller (cpu while realtime tasks exist) must not hold back the others.
            _try_write(f"{path}/cgroup.subtree_control", f"+{controller}")

    def _inherit_cpuset(self, root: str, above: str, path: str) -> None:
        """v1: a new cpuset is empty, and takes no process before it has CPUs and memory nodes."""
        if root == self.layout.mounts.get("cpuset") and not self.layout.v2:
            for name in ("cpuset.cpus", "cpuset.mems"):
                if not _read(f"{path}/{name}").strip():
                    _write(f"{path}/{name}", _read(f"{above}/{name}").strip())

    def remove(self, group: str) -> None:
        """Removes a group and its children from all hierarchies; missing ones are fine. HostError if one is busy."""
        failed: HostError | None = None
        for path in self._anywhere(group):
            for child in [c for c, _ in reversed(list(_tree(path)))]:
                try:
                    os.rmdir(child)
                except FileNotFoundError:
                    continue
                except OSError as error:
                    failed = failed or from_oserror(f"remove cgroup {child}", error)
        if failed is not None:
            raise failed

    def children(self, group: str) -> list[str]:
        """The names of the groups directly below, in any hierarchy."""
        found: dict[str, None] = {}
        for path in self.paths(group):
            found.update(dict.fromkeys(_subdirectories(path)))
        return list(found)

    def pids(self, group: str, *, recursive: bool = True) -> list[int]:
        """The processes in the group, in any hierarchy, and below it."""
        found: set[int] = set()
        for path in self._anywhere(group):
            directories = [c for c, _ in _tree(path)] if recursive else [path]
            for directory in directories:
                found.update(int(word) for word in _read(f"{directory}/cgroup.procs").split())
        return sorted(found)

    def enter(self, group: str, pid: int, controllers: Iterable[str] | None = None) -> None:
        """Moves a process into a group that exists. A move costs 5 to 9 ms for each v1 hierarchy.

        `controllers` limits v1 moves to their hierarchies ("name=systemd" is what systemd looks at).
        """
        roots = self.layout.roots()
        if controllers is not None and not self.layout.v2:
            roots = list(dict.fromkeys(self.layout.mounts[c] for c in controllers if c in self.layout.mounts))
        try:
            for root in roots:
                _write(f"{root}{group}/cgroup.procs", str(pid))
        except OSError as error:
            raise from_oserror(f"move process {pid} into cgroup {group}", error) from error

    def read(self, group: str, controller: str, name: str) -> str:
        """One file's text; "" if it is not there."""
        return _read(f"{self.path(group, controller)}/{name}") if self._has(controller) else ""

    def write(self, group: str, controller: str, name: str, value: str) -> None:
        try:
            _write(f"{self.path(group, controller)}/{name}", value)
        except OSError as error:
            raise from_oserror(f"write {value!r} to {name} of cgroup {group}", error) from error

    def _has(self, controller: str) -> bool:
        return self.layout.v2 or controller in self.layout.mounts

    def stats(self, group: str) -> CgroupStats:
        """One sample; zeros for what this host does not count."""

        def read(controller: str, name: str) -> str:
            return self.read(group, controller, name)

        return stats_v2(read) if self.layout.v2 else stats_v1(read)

    def oom_kills(self, group: str) -> int:
        """How many processes of the group the kernel has killed for want of memory."""
        name = "memory.events" if self.layout.v2 else "memory.oom_control"
        return parse_flat(self.read(group, "memory", name)).get("oom_kill", 0)

    def freeze(self, group: str) -> None:
        """Asks the kernel to stop all processes of the group; they have stopped soon after."""
        self._set_frozen(group, True)

    def thaw(self, group: str) -> None:
        self._set_frozen(group, False)

    def _set_frozen(self, group: str, frozen: bool) -> None:
        if self.layout.v2:
            self.write(group, "", "cgroup.freeze", "1" if frozen else "0")
        else:
            self.write(group, "freezer", "freezer.state", "FROZEN" if frozen else "THAWED")

    def frozen(self, group: str) -> bool:
        if self.layout.v2:
            return parse_flat(self.read(group, "", "cgroup.events")).get("frozen", 0) == 1
        return self.read(group, "freezer", "freezer.state").strip() == "FROZEN"

    def kill(self, group: str) -> None:
        """SIGKILL to all in the group and below; nothing escapes by forking meanwhile. A missing group is fine."""
        if self.layout.v2 and _try_write(f"{self.path(group)}/cgroup.kill", "1"):
            return
        if not self.exists(group):
            return
        with suppress(HostError):  # this host has no freezer, or the group was made in some trees only
            self.freeze(group)
        try:
            for pid in self.pids(group):
                _kill(pid)
        finally:
            with suppress(HostError):
                self.thaw(group)


def plan_hand_down(available: list[str], present: set[str]) -> list[str]:
    """Pure: the controllers to add to cgroup.subtree_control.

    >>> plan_hand_down(["cpuset", "cpu", "memory", "rdma"], {"memory"})
    ['cpuset', 'cpu']
    """
    return [c for c in available if c in _USED and c not in present]


_USED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def _steps(root: str, group: str) -> Iterator[tuple[str, str]]:
    """("/root", "/root/a"), ("/root/a", "/root/a/b") for the group "/a/b"."""
    above = root
    for part in group.strip("/").split("/"):
        path = f"{above}/{part}"
        yield above, path
        above = path


def _subdirectories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:  # gone meanwhile
        return []


def _tree(path: str) -> Iterator[tuple[str, int]]:
    """The directory and all below it with their depths, parents first."""
    todo = [(path, 0)]
    while todo:
        current, depth = todo.pop()
        yield current, depth
        todo += [(f"{current}/{name}", depth + 1) for name in _subdirectories(current)]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except OSError:  # the group is gone (ENOENT, ENODEV) or this kernel has no such file
        return ""


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _try_write(path: str, value: str) -> bool:
    try:
        _write(path, value)
    except OSError:
        return False
    return True
