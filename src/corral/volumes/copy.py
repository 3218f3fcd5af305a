"""Copying a tree with everything that a file has: owner, mode, times, attributes, links, holes, devices.

A blocking function. The source is somebody else's: no link in it is followed, and it may change meanwhile: what has
gone since its directory was listed is as if it had not been there, and a file that was cut is as short as it then is.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from fcntl import ioctl

from corral.linux.rooted import open_in_root

# What overlayfs keeps for itself must not be taken for the file's own.
_PRIVATE = ("trusted.overlay.", "user.overlay.")
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PIECE = 1 << 26
_FICLONE = 0x40049409  # of linux/fs.h: one file shares all blocks of another
_CANNOT = (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.ENOTTY, errno.ETXTBSY)


def copy_tree(source: int, target: int) -> None:
    """Fills the empty directory `target` (a descriptor) with copies of all in the directory `source`.

    The directory itself gets the source's owner, mode, attributes and times too. Raises OSError.
    """
    first: dict[tuple[int, int], str] = {}  # files with several names, by the first that was met
    directories = [""]
    for path in directories:  # grows while it is walked
        with suppress(*_GONE), _Pair(source, target, path) as (here, there):
            for name in os.listdir(here):
                with suppress(FileNotFoundError):
                    if _is_directory(here, there, name, path, first, target):
                        directories.append(_join(path, name))
    for path in reversed(directories):  # at last: what is made in a directory changes its times
        with suppress(*_GONE), _Pair(source, target, path) as (here, there):
            _dress(here, there, os.fstat(here))


_GONE = (FileNotFoundError, NotADirectoryError)


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _is_directory(here: int, there: int, name: str, path: str, first: dict[tuple[int, int], str], target: int) -> bool:
    """Makes a directory, whose content is still to come, or copies anything else."""
    status = os.lstat(name, dir_fd=here)
    place = _join(path, name)
    if stat.S_ISDIR(status.st_mode):
        os.mkdir(name, 0o700, dir_fd=there)
        return True
    known = first.get(_identity(status))
    if known is not None:
        os.link(known, name, src_dir_fd=target, dst_dir_fd=there, follow_symlinks=False)
        return False
    _copy_one(here, there, name, status)
    if status.st_nlink > 1:
        first[_identity(status)] = place
    return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


class _Pair:
    """The same directory in both trees, open for a while."""

    def __init__(self, source: int, target: int, path: str) -> None:
        self._here = open_in_root(source, path, _DIRECTORY)
        try:
            self._there = open_in_root(target, path, _DIRECTORY)
        except BaseException:
            os.close(self._here)
            raise

    def __enter__(self) -> tuple[int, int]:
        return self._here, self._there

    def __exit__(self, *_: object) -> None:
        os.close(self._here)
        os.close(self._there)


def _copy_one(source: int, target: int, name: str, status: os.stat_result) -> None:
    """Anything but a directory."""
    if stat.S_ISREG(status.st_mode):
        _copy_file(source, target, name, status)
        return
    if stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=target)
    _dress_by_name(source, target, name, status)


def _copy_file(source: int, target: int, name: str, status: os.stat_result) -> None:
    fd = os.open(name, _READ, dir_fd=source)
    try:
        made = os.open(name, _NEW, 0o600, dir_fd=target)
        try:
            _content(fd, made, status.st_size)
            _dress(fd, made, status)
        finally:
            os.close(made)
    finally:
        os.close(fd)


def _content(source: int, target: int, size: int) -> None:
    """The bytes, with the holes between them: shared with the source where the file system can do that, else copied
    inside the kernel where it can do that."""
    try:
        ioctl(target, _FICLONE, source)
        return
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
    os.ftruncate(target, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole until the end
                return
            raise
        end = min(os.lseek(source, at, os.SEEK_HOLE), size)
        while at < end:
            done = _piece(source, target, at, min(end - at, _PIECE))
            if not done:  # it was cut meanwhile
                os.ftruncate(target, at)
                return
            at += done


def _piece(source: int, target: int, at: int, count: int) -> int:
    try:
        return os.copy_file_range(source, target, count, at, at)
    except OSError as error:
        if error.errno not in _CANNOT:
            raise
        return os.pwrite(target, os.pread(source, min(count, 1 << 20), at), at)


def _dress(source: int, target: int, status: os.stat_result) -> None:
    """Owner first: a change of it takes set-id bits and capabilities away."""
    os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, stat.S_IMODE(status.st_mode))
    for key in os.listxattr(source):
        if not key.startswith(_PRIVATE):
            _set(target, key, os.getxattr(source, key))
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))


def _dress_by_name(source: int, target: int, name: str, status: os.stat_result) -> None:
    """For what cannot be opened: links, devices, FIFOs, sockets."""
    os.chown(name, status.st_uid, status.st_gid, dir_fd=target, follow_symlinks=False)
    here, there = f"/proc/self/fd/{target}/{name}", f"/proc/self/fd/{source}/{name}"
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(here, stat.S_IMODE(status.st_mode))
    for key in os.listxattr(there, follow_symlinks=False):
        if not key.startswith(_PRIVATE):
            _set(here, key, os.getxattr(there, key, follow_symlinks=False))
    os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns), dir_fd=target, follow_symlinks=False)


def _set(place: int | str, key: str, value: bytes) -> None:
    try:
        if isinstance(place, int):
            os.setxattr(place, key, value)
        else:
            os.setxattr(place, key, value, follow_symlinks=False)
    except OSError as error:
        # A file system without attributes, or a host whose own security labels win.
        if error.errno not in (errno.EOPNOTSUPP, errno.EPERM) or key.startswith("security.capability"):
            raise
