"""Content: the bytes of one file into a new one: holes stay holes, and blocks are shared where the disk can."""

from __future__ import annotations

import errno
import os
import stat

from corral.errors import InvalidInput
from corral.linux.filling import write_all

NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_PIECE, _SMALL = 1 << 20, 64 << 10
_NO_RANGES = (errno.ENOSYS, errno.EXDEV, errno.EPERM, errno.EIO, errno.EOPNOTSUPP, errno.EINVAL)


def copy_file(from_directory: int, from_name: str, to_directory: int, to_name: str) -> None:
    read = os.open(from_name, _READ, dir_fd=from_directory)
    try:
        there = os.fstat(read)
        if not stat.S_ISREG(there.st_mode):
            raise InvalidInput(f"{from_name} was replaced while it was copied")
        write = os.open(to_name, NEW, 0o600, dir_fd=to_directory)
        try:
            _copy_content(read, write, there)
        finally:
            os.close(write)
    finally:
        os.close(read)


def _copy_content(read: int, write: int, there: os.stat_result) -> None:
    if there.st_size <= _SMALL:
        while data := os.read(read, _SMALL):
            write_all(write, data)
    elif there.st_blocks * 512 >= there.st_size:
        _copy_range(read, write, 0, there.st_size)
    else:
        os.ftruncate(write, there.st_size)
        for start, end in _data(read, there.st_size):
            _copy_range(read, write, start, end)


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


def _copy_range(read: int, write: int, start: int, end: int) -> None:
    """In the kernel, which may share the blocks; else through here. Ends early with the file."""
    at = start
    try:
        while at < end:
            done = os.copy_file_range(read, write, end - at, at, at)
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
        write_all(write, data)
        at += len(data)
