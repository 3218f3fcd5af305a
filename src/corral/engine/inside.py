"""A container's files as its processes see them: its root file system with its volumes and binds in their places.

Paths come from the user, and everything in the container from strangers: links are followed as inside, and
never lead out (`linux.rooted`). All functions block.
"""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TypeVar

from msgspec.structs import replace

from corral.errors import InvalidInput, from_oserror
from corral.linux import mounts
from corral.linux.idmap import IdMaps, with_ids
from corral.linux.namespaces import in_private_mounts
from corral.linux.rooted import open_in_root
from corral.model.container import MountPoint
from corral.runtime.failure import plan_failure
from corral.runtime.input import BundleMount
from corral.runtime.monitor import CREATE
from corral.runtime.proc_places import PROC, place_problem

T = TypeVar("T")
_MAX_LINKS = 255
_PLACE = os.O_PATH | os.O_NOFOLLOW
# The kernel's own file systems: a copy of "/" has their directories, not what the kernel invents in them.
_KERNEL = ("/dev", "/proc", "/sys")


@dataclass(frozen=True)
class Inside:
    """`rootfs` is where the root file system is mounted on the host, `mount_points` what lies over it.

    `pid`: a process of the running container, 0 if there is none; with it also its tmpfs are seen. `owner`: uid
    and gid of the container's user. `ids`: what is found there has the host's ids, mapped so; None: the
    container's own.
    `container`: its name or id, for messages.
    """

    rootfs: str
    mount_points: Sequence[MountPoint] = ()
    pid: int = 0
    read_only: bool = False
    owner: tuple[int, int] | None = None
    container: str = ""
    ids: IdMaps | None = None

    def run(self, work: Callable[[int], T]) -> T:
        """`work` gets a descriptor of the container's `/`, with everything mounted, good until it returns."""
        if self.ids is None:
            return self._run(work)
        return with_ids(*self.ids.root, lambda: self._run(work))

    def _run(self, work: Callable[[int], T]) -> T:
        try:
            root = os.open(f"/proc/{self.pid}/root", os.O_PATH | os.O_DIRECTORY) if self.pid else -1
        except OSError:
            root = -1  # it has just ended
        if root < 0:
            return in_private_mounts(lambda: self._mount_and_run(work))
        try:
            return work(root)
        finally:
            os.close(root)

    def _mount_and_run(self, work: Callable[[int], T]) -> T:
        if self.read_only:
            mounts.bind(self.rootfs, self.rootfs)
        root = os.open(self.rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for point in sorted(self.mount_points, key=lambda p: p.target.rstrip("/").count("/")):
                if point.type != "tmpfs" and point.source:
                    _bind(root, point)
            if self.read_only:
                _make_read_only(root)
            return work(root)
        finally:
            os.close(root)

    def check_writable(self, root: int, path: str) -> None:
        """Raises InvalidInput, in Docker's words, if the real path `path` lies in something read-only."""
        point = covering([replace(p, target=real_path(root, p.target)) for p in self.mount_points], path)
        if point is not None and not point.read_write:
            raise InvalidInput("mounted volume is marked read-only")
        if point is None and self.read_only:
            raise InvalidInput("container rootfs is marked read-only")

    def is_kernels(self, path: str) -> bool:
        """Whether `path` (relative to the root) is something that the kernel invents, and the user did not mount."""
        path = "/" + path.strip("/")
        return covering(self.mount_points, path) is None and any(path.startswith(f"{each}/") for each in _KERNEL)


def covering(points: Sequence[MountPoint], path: str) -> MountPoint | None:
    """Pure: the mount that `path` lies in, the deepest if there are several.

    >>> points = [MountPoint("volume", "/v", "/data"), MountPoint("bind", "/b", "/data/in/")]
    >>> [point.source if (point := covering(points, p)) else "" for p in ("/data", "/data/in/x", "/database")]
    ['/v', '/b', '']
    """
    over = [p for p in points if f"{path.rstrip('/')}/".startswith(f"{posixpath.normpath(p.target).rstrip('/')}/")]
    return max(over, key=lambda p: len(posixpath.normpath(p.target)), default=None)


def follow(path: str, readlink: Callable[[str], str | None]) -> str:
    """Pure: the real path of `path`, as far as its links lead; `readlink` gives a link's target, None for others.

    >>> links = {"/run/now": "../var", "/var/log": "/data/logs", "/loop": "loop"}
    >>> follow("/run/now/log/x", links.get), follow("../../etc/.", links.get)
    ('/data/logs/x', '/etc')
    """
    todo = path.split("/")[::-1]
    real, links = "", 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            real = real.rpartition("/")[0]
            continue
        target = readlink(f"{real}/{part}")
        if target is None:
            real = f"{real}/{part}"
            continue
        links += 1
        if links > _MAX_LINKS:
            raise InvalidInput(f"too many links in {path}")
        real = "" if target.startswith("/") else real
        todo += target.split("/")[::-1]
    return real or "/"


def real_path(root: int, path: str) -> str:
    """`follow` in the container whose `/` is `root`. What does not exist is its own real path."""
    return follow(path, lambda place: _readlink(root, place))


def check_places(rootfs: str, wanted: Iterable[BundleMount]) -> None:
    """Whether all may be mounted where their targets lead. RuntimeFailed for what would hide the kernel's /proc."""
    root = os.open(rootfs, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for mount in wanted:
            real = real_path(root, mount.target)
            is_proc = real == PROC and mounts.filesystem(mount.source) == "proc"
            if problem := place_problem(mount.source, mount.target, real, is_proc=is_proc):
                raise plan_failure(CREATE, problem)
    finally:
        os.close(root)


def _readlink(root: int, path: str) -> str | None:
    try:
        fd = open_in_root(root, path, _PLACE)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return os.readlink("", dir_fd=fd) if stat.S_ISLNK(os.fstat(fd).st_mode) else None
    finally:
        os.close(fd)


def _bind(root: int, point: MountPoint) -> None:
    spec = point.spec
    with ExitStack() as held:
        source = _open(point.source, spec.subpath if spec else "", point.target)
        held.callback(os.close, source)
        try:
            place = _mount_place(root, point.target, stat.S_ISDIR(os.fstat(source).st_mode))
        except OSError as error:
            raise from_oserror(f"make the mount point {point.target}", error) from error
        held.callback(os.close, place)
        recursive = not (spec and spec.non_recursive)
        mounts.bind(f"/proc/self/fd/{source}", f"/proc/self/fd/{place}", recursive=recursive)
    if not point.read_write:
        fd = open_in_root(root, point.target, os.O_PATH)  # what was mounted, no longer what is under it
        try:
            _make_read_only(fd)
        finally:
            os.close(fd)


def _open(source: str, subpath: str, target: str) -> int:
    """What is mounted, or the part of it that is; links do not lead out."""
    try:
        whole = os.open(source, os.O_PATH | os.O_CLOEXEC)
        if not subpath:
            return whole
        try:
            return open_in_root(whole, subpath, os.O_PATH)
        finally:
            os.close(whole)
    except OSError as error:
        what = posixpath.join(source, subpath) if subpath else source
        raise from_oserror(f"mount {what} on {target}", error) from error


def _make_read_only(fd: int) -> None:
    mounts.mount("", f"/proc/self/fd/{fd}", "", mounts.MS_REMOUNT | mounts.MS_BIND | mounts.MS_RDONLY)


def _mount_place(root: int, target: str, directory: bool) -> int:
    """A descriptor of the mount point, which is made if the container has never run."""
    try:
        return open_in_root(root, target, os.O_PATH)
    except FileNotFoundError:
        pass
    above, _, name = real_path(root, target).rpartition("/")
    parent = _mount_place(root, above, True) if above else os.dup(root)
    try:
        if directory:
            os.mkdir(name, 0o755, dir_fd=parent)
        else:
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=parent))
        return os.open(name, _PLACE | os.O_CLOEXEC, dir_fd=parent)
    finally:
        os.close(parent)
