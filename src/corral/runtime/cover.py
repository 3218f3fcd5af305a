"""The cover: what lets crun run on a host where cgroup v1 and v2 both own controllers.

crun 1.x reads `cgroup.controllers` of a hybrid host's v2 tree, and refuses the host where there is a word in it; all
that it does afterwards is right. A controller that nobody uses (often hugetlb) is enough for that, and taking it away
would be a change of the host. So crun is started in a mount namespace of its own, a copy of the daemon's in which
/dev/null lies over that file:

* the copy is made when the container's mounts are there, and is gone when crun is: it holds no mount of anybody;
* mounts of the copy stay in their peer groups, so propagation is what was asked for; the v2 tree's alone is private,
  or the cover would appear on the host;
* `nsenter` takes crun there, as the monitor and its children must stay in the host's mounts.

A container that is to see that file of the host (`-v /sys:/sys`) would see the cover: it gets another runtime.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from corral.errors import HostError
from corral.linux.cgroup_layout import Layout
from corral.linux.namespaces import covered_mounts
from corral.linux.spawn import run

NOTHING = "/dev/null"


@dataclass(frozen=True)
class Cover:
    """`tree` is the mount point of the v2 tree, `nsenter` the program of that name."""

    tree: str
    nsenter: str

    @property
    def file(self) -> str:
        return f"{self.tree}/cgroup.controllers"

    def command(self, door: str) -> list[str]:
        """Pure: what is put before a command that is to run behind the cover.

        >>> Cover("/sys/fs/cgroup/unified", "/usr/bin/nsenter").command("/proc/1/fd/9")
        ['/usr/bin/nsenter', '--mount=/proc/1/fd/9', '--']
        """
        return [self.nsenter, f"--mount={door}", "--"]

    def shown_by(self, sources: Iterable[str]) -> str:
        """Pure: the first of the host's paths that shows a container the file; "" where none does.

        >>> cover = Cover("/sys/fs/cgroup/unified", "/usr/bin/nsenter")
        >>> cover.shown_by(["/srv", "/sys/fs"]), cover.shown_by(["/", "/sys"]), cover.shown_by(["/system"])
        ('/sys/fs', '/', '')
        """
        return next((source for source in sources if f"{self.file}/".startswith(f"{source.rstrip('/')}/")), "")

    @contextmanager
    def opened(self) -> Iterator[str]:
        """A door to a fresh copy of the mounts, for as long as a command may go through it. HostError."""
        fd = covered_mounts(self.tree, self.file, NOTHING)
        try:
            yield f"/proc/{os.getpid()}/fd/{fd}"
        finally:
            os.close(fd)

    @contextmanager
    def opened_at(self, link: str) -> Iterator[None]:
        """The same for a command that was planned before: it goes through `link`."""
        with self.opened() as door:
            with suppress(FileNotFoundError):
                os.unlink(link)
            os.symlink(door, link)
            yield


def plan_cover(layout: Layout, unified_controllers: str, crun: str, nsenter: str) -> Cover | None:
    """Pure: the cover that this crun (its version) needs and can be given here, None where it needs none or cannot.

    >>> hybrid = Layout("hybrid", {"cpu": "/sys/fs/cgroup/cpu"}, "/sys/fs/cgroup/unified")
    >>> plan_cover(hybrid, "hugetlb\\n", "1.8.1", "/usr/bin/nsenter").file
    '/sys/fs/cgroup/unified/cgroup.controllers'
    >>> plan_cover(hybrid, "", "1.8.1", "/usr/bin/nsenter"), plan_cover(hybrid, "hugetlb", "0.17", "/usr/bin/nsenter")
    (None, None)
    """
    known = crun.startswith("1.") and bool(nsenter)
    return Cover(layout.unified, nsenter) if known and refuses_hybrid(layout, unified_controllers) else None


def refuses_hybrid(layout: Layout, unified_controllers: str) -> bool:
    """Pure: whether crun would say that it does not support cgroups in hybrid mode here."""
    return layout.version == "hybrid" and bool(unified_controllers.strip())


async def works(cover: Cover) -> bool:
    """Whether this host lets us make it: a sandbox around the daemon may forbid mounts or entering namespaces."""
    try:
        with cover.opened() as door:
            done = await run([*cover.command(door), "cat", cover.file], timeout=10)
    except HostError:
        return False
    return done.code == 0 and not done.out
