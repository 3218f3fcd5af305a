"""inotify: the kernel tells what happens to files, so nobody has to look again and again."""

from __future__ import annotations

import asyncio
import errno
import os
import struct
from collections.abc import AsyncIterator
from typing import NamedTuple

from corral.errors import HostError
from corral.linux import libc

MODIFY = 0x2
ATTRIB = 0x4
CLOSE_WRITE = 0x8
MOVED_FROM = 0x40
MOVED_TO = 0x80
CREATE = 0x100
DELETE = 0x200
DELETE_SELF = 0x400
MOVE_SELF = 0x800
UNMOUNT = 0x2000
OVERFLOW = 0x4000
IGNORED = 0x8000
ONLYDIR = 0x1000000
DONT_FOLLOW = 0x2000000
MASK_ADD = 0x20000000
ONESHOT = 0x80000000

_HEADER = struct.Struct("iIII")
_HINT = "; raise the sysctl fs.inotify.max_user_{}"


class Event(NamedTuple):
    """`wd` is what `add` returned, -1 for OVERFLOW: events were lost, look at everything again."""

    wd: int
    mask: int
    name: str

    @property
    def overflow(self) -> bool:
        return bool(self.mask & OVERFLOW)


def parse_events(data: bytes) -> list[Event]:
    """Pure: what one read returned.

    >>> parse_events(_HEADER.pack(1, CREATE, 0, 4) + b"ab\\0\\0")
    [Event(wd=1, mask=256, name='ab')]
    """
    events, at = [], 0
    while at < len(data):
        wd, mask, _cookie, length = _HEADER.unpack_from(data, at)
        at += _HEADER.size
        name = data[at : at + length].rstrip(b"\0")
        at += length
        events.append(Event(wd, mask, os.fsdecode(name)))
    return events


class Inotify:
    """One inotify instance. Iterate it: `async for event in inotify`; it ends when closed.

    One task iterates. Events that come before the iteration starts wait in the kernel.
    """

    def __init__(self) -> None:
        fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            raise _hinted("create inotify instance", "instances")
        self._fd: int = fd
        self._wake: asyncio.Future[None] | None = None

    def add(self, path: str, mask: int) -> int:
        """Watches a file or directory; the same path again replaces its mask (unless MASK_ADD)."""
        wd: int = libc.inotify_add_watch(self._fd, os.fsencode(path), mask)
        if wd < 0:
            raise _hinted(f"watch {path}", "watches")
        return wd

    def remove(self, wd: int) -> None:
        """Stops a watch. One that is gone already (its file was deleted) is fine."""
        libc.inotify_rm_watch(self._fd, wd)

    def read(self) -> list[Event]:
        """What has happened so far, without waiting."""
        try:
            return parse_events(os.read(self._fd, 65536))
        except BlockingIOError:
            return []

    async def __aiter__(self) -> AsyncIterator[Event]:
        while self._fd >= 0:
            for event in self.read() or await self._wait():
                yield event

    async def _wait(self) -> list[Event]:
        loop = asyncio.get_running_loop()
        self._wake = wake = loop.create_future()
        fd = self._fd
        loop.add_reader(fd, _set, wake)
        try:
            await wake
        finally:
            if self._fd == fd:  # else close() took the reader away, and the number may be another file's
                loop.remove_reader(fd)
            self._wake = None
        return []

    def close(self) -> None:
        """Ends the iteration and all watches."""
        if self._fd < 0:
            return
        fd, self._fd = self._fd, -1
        if self._wake is not None:
            self._wake.get_loop().remove_reader(fd)
            _set(self._wake)
        os.close(fd)


def _set(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _hinted(action: str, limit: str) -> HostError:
    error = libc.failure(action)
    if error.errno in (errno.EMFILE, errno.ENOSPC):
        return HostError(error.message + _HINT.format(limit), error.errno)
    return error
