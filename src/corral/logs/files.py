"""The files of one log: `ctr.log` is written, `ctr.log.1` is the one before it, `ctr.log.2` older, and so on.

An opened file stays readable while a rotation renames or removes it.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from corral.errors import from_oserror
from corral.kit.clock import TICK

BLOCK = 1 << 16


class Opened(NamedTuple):
    """A descriptor, and the file's size when it was opened."""

    fd: int
    size: int


def numbered(path: str) -> list[tuple[int, str]]:
    """The log's files that exist, as (number, path), oldest first; the written one has number 0.

    None if the directory does not exist (any more).
    """
    directory, base = os.path.split(path)
    pattern = re.compile(re.escape(base) + r"(?:\.([1-9]\d*))?")
    try:
        names = os.listdir(directory or ".")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise from_oserror(f"read log directory {directory}", error) from error
    found = [
        (int(match[1] or 0), os.path.join(directory, name)) for name in names if (match := pattern.fullmatch(name))
    ]
    return sorted(found, reverse=True)


def open_all(path: str, since: int = 0) -> list[Opened]:
    """All files of the log, oldest first, without those that were last written before `since` (nanoseconds): by more
    than a tick, for so much later than the file the last line in it may be."""
    opened = []
    for number, name in numbered(path):
        fd = _open(name)
        status = os.fstat(fd)
        if number and status.st_mtime_ns < since - TICK:
            os.close(fd)
        else:
            opened.append(Opened(fd, status.st_size))
    return opened


def successor(path: str, fd: int | None) -> int | None:
    """Opens the next newer file than `fd`; None while there is none, because `fd` is the one that is written.

    With no `fd`, or one that was rotated out of existence, it is the oldest there is. While the monitor has not
    yet answered a rotation there is no number 0, and the newest file is still the one that is written.
    """
    if fd is not None and is_file(path, fd):
        return None
    names = [name for _, name in numbered(path)]
    if fd is not None:
        mine = next((index for index, name in enumerate(names) if is_file(name, fd)), -1)
        names = names[mine + 1 :]
    return _open(names[0]) if names else None


def is_file(path: str, fd: int) -> bool:
    """Whether `path` names the file that `fd` has open."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except OSError:
        return False


def read(fd: int, offset: int, end: int | None = None) -> bytes:
    """At most a block from `offset`, none of it at or after `end`; empty at the end of the file."""
    try:
        return os.pread(fd, BLOCK if end is None else max(0, min(BLOCK, end - offset)), offset)
    except OSError as error:
        raise from_oserror("read log", error) from error


def _open(name: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise from_oserror(f"open log {name}", error) from error
