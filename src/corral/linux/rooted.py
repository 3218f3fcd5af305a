"""Rooted: opening a path inside a directory that somebody else fills, without ever leaving it.

A container's files are written by strangers: any name in them may be a symbolic link to `/etc/shadow`. Here every
link, absolute or with `..`, is resolved as if the directory were `/`. The kernel does it in one call
(`openat2` with RESOLVE_IN_ROOT, Linux 5.6); older ones get the same walk component by component.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat

from corral.linux import libc

_OPENAT2 = 437  # the same number on every architecture
_NO_MAGICLINKS, _BENEATH, _IN_ROOT = 0x02, 0x08, 0x10
_MAX_LINKS = 40  # what the kernel allows on one path


class _How(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def open_in_root(root: int, path: str, flags: int, mode: int = 0) -> int:
    """A file descriptor of `path` (leading slashes are ignored; "" and "/" are the root itself).

    `root` is a descriptor of a directory. The last component is followed too, unless `flags` has O_NOFOLLOW.
    O_CLOEXEC is always set. Raises OSError: ENOENT, ENOTDIR, ELOOP, …
    """
    path = path.lstrip("/") or "."
    try:
        return _openat2(root, path, flags | os.O_CLOEXEC, mode, _IN_ROOT)
    except OSError as error:
        # EPERM: a sandbox that does not know the call. A real EPERM comes again from the walk.
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return walk_in_root(root, path, flags, mode)


def open_beneath(root: int, path: str, flags: int) -> int:
    """The same, but what leads out of `root` (an absolute link, too many `..`) is OSError EXDEV, not resolved in it."""
    path = path.lstrip("/") or "."
    try:
        return _openat2(root, path, flags | os.O_CLOEXEC, 0, _BENEATH)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
        return walk_in_root(root, path, flags, beneath=True)


def make_directories(root: int, path: str, mode: int = 0o755, owner: tuple[int, int] | None = None) -> None:
    """As `mkdir -p` inside `root`; what is made belongs to `owner`.

    Raises OSError: ENOTDIR or EEXIST where something else is in the way.
    """
    here = os.dup(root)
    try:
        names = [name for name in path.split("/") if name]
        for n, name in enumerate(names, 1):
            try:
                fd = open_in_root(root, "/".join(names[:n]), os.O_PATH | os.O_DIRECTORY)
            except FileNotFoundError:
                os.mkdir(name, mode, dir_fd=here)
                fd = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
                if owner is not None:
                    os.chown(name, *owner, dir_fd=here, follow_symlinks=False)
            os.close(here)
            here = fd
    finally:
        os.close(here)


def open_root(root: int | str) -> int:
    """A descriptor of one's own for a root given as a path or as a descriptor."""
    if isinstance(root, int):
        return os.dup(root)
    return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)


def _openat2(root: int, path: str, flags: int, mode: int, resolve: int) -> int:
    how = _How(flags, mode, resolve | _NO_MAGICLINKS)
    while True:
        fd = int(libc.syscall(_OPENAT2, root, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)))
        if fd >= 0:
            return fd
        code = libc.last_error()
        if code not in (errno.EAGAIN, errno.EINTR):  # EAGAIN: something was renamed meanwhile, look again
            raise OSError(code, os.strerror(code), path)


def walk_in_root(root: int, path: str, flags: int, mode: int = 0, *, beneath: bool = False) -> int:
    """The same as `open_in_root`, one component at a time with O_NOFOLLOW: for kernels without openat2.

    `..` goes up in the list of directories that were entered, never above the root; with `beneath` that is EXDEV.
    """
    entered = [os.dup(root)]
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    try:
        while todo:
            name = todo.pop()
            if name == "..":
                if beneath and len(entered) == 1:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
                if len(entered) > 1:
                    os.close(entered.pop())
                continue
            target = _link_target(entered[-1], name)
            if target is None or (not todo and flags & os.O_NOFOLLOW):
                if not todo:
                    return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, mode, dir_fd=entered[-1])
                entered.append(os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=entered[-1]))
                continue
            links += 1
            if links > _MAX_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                if beneath:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV), path)
                while len(entered) > 1:
                    os.close(entered.pop())
            todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        return os.open(".", (flags & ~(os.O_CREAT | os.O_EXCL)) | os.O_CLOEXEC, dir_fd=entered[-1])
    finally:
        for fd in entered:
            os.close(fd)


def _link_target(directory: int, name: str) -> str | None:
    """Where the symbolic link points to; None if it is no link or is not there."""
    try:
        if not stat.S_ISLNK(os.lstat(name, dir_fd=directory).st_mode):
            return None
        return os.readlink(name, dir_fd=directory)
    except FileNotFoundError:
        return None
