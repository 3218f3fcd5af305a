"""Content: the bytes of one file into a new one: holes stay holes, and blocks are shared where the disk can."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from corral.errors import InvalidInput
from corral.linux.filling import write_all

NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE, _SMALL, _AT_ONCE = 1 << 20, 64 << 10, 64 << 20
_NO_RANGES = (errno.ENOSYS, errno.EXDEV, errno.EPERM, errno.EIO, errno.EOPNOTSUPP, errno.EINVAL)


def open_source(directory: int, name: str) -> tuple[int, os.stat_result]:
    """A regular file, and how it is now. InvalidInput if it is none any more."""
    fd = os.open(name, _READ, dir_fd=directory)
    there = os.fstat(fd)
    if stat.S_ISREG(there.st_mode):
        return fd, there
    os.close(fd)
    raise InvalidInput(f"{name} was replaced while it was copied")


def copy_content(read: int, write: int, there: os.stat_result, check: Callable[[], None]) -> None:
    """`check` is called between pieces of a large file."""
    if there.st_size <= _SMALL:
        left = there.st_size
        while left > 0 and (data := os.read(read, left)):
            write_all(write, data)
            left -= len(data)
    elif there.st_blocks * 512 >= there.st_size:
        _copy_range(read, write, 0, there.st_size, check)
    else:
        os.ftruncate(write, there.st_size)
        for start, end in _data(read, there.st_size):
            _copy_range(read, write, start, end, check)


def _data(fd: int, size: int) -> list[tuple[int, int]]:
    """The parts of a file that are no holes."""
    parts, at = [], 0
    try:
        while at < size:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, start, os.SEEK_HOLE)
            parts.append((start, at))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return [(0, size)]  # a file system that knows no holes
        if error.errno != errno.ENXIO:  # nothing but a hole from here on
            raise
    return parts


def _copy_range(read: int, write: int, start: int, end: int, check: Callable[[], None]) -> None:
    """In the kernel, which may share the blocks; else through here. Ends early with the file."""
    at = start
    try:
        while at < end:
            check()
            done = os.copy_file_range(read, write, min(_AT_ONCE, end - at), at, at)
            if not done:
                break
            at += done
        if at >= end or at > start:
            return
    except OSError as error:
        if error.errno not in _NO_RANGES or at > start:
            raise
    os.lseek(write, start, os.SEEK_SET)
    while at < end and (data := os.pread(read, min(_PIECE, end - at), at)):
        check()
        write_all(write, data)
        at += len(data)
