"""Mounts: attaching file systems to directories, and taking them off again.

All calls are synchronous and take well under a millisecond. Failures are `HostError`s that name both ends.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable

from corral.errors import HostError, InvalidInput
from corral.linux import libc

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOATIME = 1024
MS_BIND = 4096
MS_MOVE = 8192
MS_REC = 16384
MS_UNBINDABLE = 1 << 17
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21

_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
_GONE = (errno.ENOENT, errno.EINVAL)  # the target does not exist, or nothing is mounted on it


def mount(source: str, target: str, fstype: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2). A read-only bind needs two calls, the second with MS_REMOUNT | MS_BIND | MS_RDONLY."""
    if libc.mount(source.encode(), os.fsencode(target), fstype.encode() or None, flags, data.encode() or None) != 0:
        raise libc.failure(f"mount {source or fstype or 'propagation'} on {target}")


def bind(source: str, target: str, *, read_only: bool = False, recursive: bool = False) -> None:
    """Shows `source` at `target` too."""
    mount(source, target, "", MS_BIND | (MS_REC if recursive else 0))
    if read_only:
        mount("", target, "", MS_REMOUNT | MS_BIND | MS_RDONLY)


def unmount(target: str, *, lazy: bool = False) -> None:
    """umount2(2) without following a symbolic link. A missing target or one that is no mount is fine."""
    flags = _UMOUNT_NOFOLLOW | (_MNT_DETACH if lazy else 0)
    if libc.umount2(os.fsencode(target), flags) != 0 and libc.last_error() not in _GONE:
        raise libc.failure(f"unmount {target}")


def make_shared(target: str, *, recursive: bool = False) -> None:
    """Mounts made under `target` appear in its copies, and the other way round."""
    mount("", target, "", MS_SHARED | (MS_REC if recursive else 0))


def make_private(target: str, *, recursive: bool = False) -> None:
    """Mounts made under `target` stay there."""
    mount("", target, "", MS_PRIVATE | (MS_REC if recursive else 0))


def make_slave(target: str, *, recursive: bool = False) -> None:
    """Mounts of the original appear under `target`, not the other way round."""
    mount("", target, "", MS_SLAVE | (MS_REC if recursive else 0))


def is_mount(path: str) -> bool:
    """Whether something is mounted exactly at `path`."""
    return os.path.realpath(path) in mount_points(_mountinfo())


def mounts_under(path: str) -> list[str]:
    """Every mount point at or below `path`, deepest first, so that they can be unmounted in this order."""
    return plan_unmounts(mount_points(_mountinfo()), os.path.realpath(path))


def mounts_deep_in(path: str) -> list[str]:
    """Those of `mounts_under` that are neither at `path` nor directly in it: there people put disks of their own."""
    return plan_deep(mounts_under(path), os.path.realpath(path))


def unmount_under(path: str) -> None:
    """Takes off everything at or below `path`; what is busy is detached."""
    for point in mounts_under(path):
        unmount(point, lazy=True)


def filesystem(path: str) -> str:
    """The type of the file system that holds `path`."""
    return filesystem_of(os.path.realpath(path), _mountinfo())


def _mountinfo() -> str:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


_OCTAL = re.compile(r"\\([0-7]{3})")


def mount_points(mountinfo: str) -> list[str]:
    """Pure: the mount points of a /proc/PID/mountinfo, in its order (a later one may hide an earlier one).

    >>> mount_points("36 35 98:0 / /mnt/a\\\\040b rw - ext4 /dev/sda rw\\n")
    ['/mnt/a b']
    """
    fields = (line.split(" ", 5) for line in mountinfo.splitlines())
    return [_OCTAL.sub(lambda m: chr(int(m.group(1), 8)), f[4]) for f in fields if len(f) > 4]


def filesystem_of(path: str, mountinfo: str) -> str:
    """Pure: the type of the file system that holds `path`.

    >>> lines = "1 0 8:1 / / rw - ext4 /dev/vda rw\\n2 1 0:5 / /var rw - btrfs /dev/vdb rw"
    >>> filesystem_of("/var/lib/corral", lines), filesystem_of("/varnish", lines)
    ('btrfs', 'ext4')
    """
    best, kind = "", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4]
        inside = point == "/" or path == point or path.startswith(point + "/")
        if inside and len(point) >= len(best):
            best, kind = point, after.split(" ")[0]
    return kind


def plan_unmounts(points: Iterable[str], path: str) -> list[str]:
    """Pure: those at or below `path`, the last mounted first.

    >>> plan_unmounts(["/", "/a", "/a/b", "/ab", "/a/b/c"], "/a")
    ['/a/b/c', '/a/b', '/a']
    """
    prefix = path.rstrip("/") + "/"
    return [p for p in reversed(list(points)) if p == path or p.startswith(prefix)]


def plan_deep(points: Iterable[str], path: str) -> list[str]:
    """Pure: those at least two directories below `path`.

    >>> plan_deep(["/a/b/c", "/a/b", "/a", "/ab/c/d"], "/a")
    ['/a/b/c']
    """
    prefix = path.rstrip("/") + "/"
    return [p for p in points if p.startswith(prefix) and "/" in p.removeprefix(prefix)]


# Overlays

_PAGE = 4096  # mount(2) takes one page of options
_SPECIAL = re.compile(r"[,:\\\s]")  # characters that the option parser would take as its own


def overlay_data(lowers: list[str], upper: str, work: str, options: str = "") -> str:
    """Pure: the options of an overlay; without `upper` it is read-only. The first of `lowers` is the top.

    >>> overlay_data(["/l2", "/l1"], "/up", "/work", "index=off")
    'lowerdir=/l2:/l1,upperdir=/up,workdir=/work,index=off'
    """
    parts = ["lowerdir=" + ":".join(lowers)]
    if upper:
        parts += [f"upperdir={upper}", f"workdir={work}"]
    return ",".join(parts + ([options] if options else []))


def fits_one_page(data: str, paths: Iterable[str]) -> bool:
    """Pure: whether mount(2) takes these options as they are.

    >>> fits_one_page("lowerdir=/l1", ["/l1"]), fits_one_page("lowerdir=/a:b", ["/a:b"])
    (True, False)
    """
    return len(os.fsencode(data)) < _PAGE - 1 and not any(_SPECIAL.search(p) for p in paths)


def mount_overlay(target: str, lowers: list[str], upper: str = "", work: str = "", options: str = "") -> None:
    """Mounts an overlay of up to about 190 lower directories (500 from Linux 6.8 on), top first.

    Paths too long for the one page that mount(2) takes, or with characters that its option parser would take
    for its own, are given as /proc/self/fd/N; still longer lists go through fsconfig(2), layer by layer.
    """
    if not lowers:
        raise InvalidInput(f"overlay on {target}: there must be at least one lower directory")
    data = overlay_data(lowers, upper, work, options)
    if fits_one_page(data, [*lowers, upper, work]):
        mount("overlay", target, "overlay", 0, data)
        return
    fds: list[int] = []
    try:
        for path in [*lowers, *([upper, work] if upper else [])]:
            fds.append(_open_directory(path, target))
        names = [f"/proc/self/fd/{fd}" for fd in fds]
        few = names[: len(lowers)]
        top, scratch = names[len(lowers) :] if upper else ("", "")
        data = overlay_data(few, top, scratch, options)
        if fits_one_page(data, []):
            mount("overlay", target, "overlay", 0, data)
        else:
            _mount_overlay_by_layer(target, few, top, scratch, options)
    finally:
        for fd in fds:
            os.close(fd)


def _open_directory(path: str, target: str) -> int:
    try:
        return os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise HostError(f"mount overlay on {target}: {path}: {error.strerror}", error.errno) from error


_FSOPEN, _FSCONFIG, _FSMOUNT, _MOVE_MOUNT = 430, 431, 432, 429  # the same on every 64-bit architecture
_SET_FLAG, _SET_STRING, _CREATE = 0, 1, 6
_MOVE_EMPTY_PATH = 4
_AT_FDCWD = -100


def _mount_overlay_by_layer(target: str, lowers: list[str], upper: str, work: str, options: str) -> None:
    action = f"mount overlay of {len(lowers)} layers on {target}"
    context = libc.syscall(_FSOPEN, b"overlay", 1)
    if context < 0:
        raise libc.failure(action)
    try:
        pairs = [("lowerdir+", lower) for lower in lowers]
        pairs += [("upperdir", upper), ("workdir", work)] if upper else []
        pairs += [(key, value) for key, _, value in (o.partition("=") for o in options.split(",") if o)]
        for key, value in pairs:
            command, text = (_SET_STRING, value.encode()) if value else (_SET_FLAG, None)
            if libc.syscall(_FSCONFIG, context, command, key.encode(), text, 0) != 0:
                if key == "lowerdir+" and libc.last_error() == errno.EINVAL:
                    raise HostError(f"{action}: before Linux 6.8 an overlay takes about 190 layers", errno.EINVAL)
                raise libc.failure(action)
        if libc.syscall(_FSCONFIG, context, _CREATE, None, None, 0) != 0:
            raise libc.failure(action)
        _attach(context, target, action)
    finally:
        os.close(context)


def _attach(context: int, target: str, action: str) -> None:
    made = libc.syscall(_FSMOUNT, context, 1, 0)
    if made < 0:
        raise libc.failure(action)
    try:
        if libc.syscall(_MOVE_MOUNT, made, b"", _AT_FDCWD, os.fsencode(target), _MOVE_EMPTY_PATH) != 0:
            raise libc.failure(action)
    finally:
        os.close(made)
