"""A reserve: a little of the state's disk, held while there is plenty. When the disk is full it is given up, so that
the daemon can start, and records can be written of what is removed to make more room."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import Literal

from corral.linux import libc

log = logging.getLogger("corral.engine")

SIZE = 8 << 20
NEEDED = 4 << 20  # what a start and some removals write
PLENTY = 10 * SIZE


def plan_reserve(free: int, held: bool) -> Literal["", "take", "give up"]:
    """Pure: what to do about the reserve of a disk with so many bytes free.

    >>> plan_reserve(1000, held=True), plan_reserve(1 << 30, held=False)
    ('give up', 'take')
    >>> plan_reserve(1 << 30, held=True), plan_reserve(1000, held=False)
    ('', '')
    """
    if held:
        return "give up" if free < NEEDED else ""
    return "take" if free >= PLENTY else ""


def tend(root: str) -> None:
    """Before the state is opened, when all is up, and before anything is removed. All works without a reserve too, as
    long as the disk is not full. Blocking, for long only when the disk is full."""
    path = os.path.join(root, "reserve")
    try:
        todo = plan_reserve(_free(root), os.path.exists(path))
        if todo == "give up":
            os.unlink(path)
            settle(root)
            log.warning("%s: the reserve of %d MB is given up, so that more room can be made", full(root), SIZE >> 20)
        elif todo == "take":
            _take(path)
    except FileNotFoundError:  # there is no state yet
        return
    except OSError as error:
        log.warning("there is no reserve for a full disk: %s", error)


async def tend_aside(root: str) -> None:
    """The same for whoever has others to serve."""
    with suppress(OSError):
        if plan_reserve(_free(root), os.path.exists(os.path.join(root, "reserve"))):
            await asyncio.to_thread(tend, root)


async def take_aside(root: str) -> None:
    """After something was removed: the next full disk is to find a reserve again."""
    with suppress(OSError):
        if plan_reserve(_free(root), os.path.exists(os.path.join(root, "reserve"))) == "take":
            await asyncio.to_thread(tend, root)


def advice(root: str) -> str:
    """What to add to the error of a start that failed: nothing unless the disk of the state is full."""
    with suppress(OSError):
        if _free(root) < NEEDED:
            return f"\n{full(root)}. Remove or move away some of what is on it, then start again."
    return ""


def full(root: str) -> str:
    """Which disk is full, in words. OSError."""
    place = os.path.abspath(root)
    while not os.path.ismount(place):
        place = os.path.dirname(place)
    found = os.statvfs(root)
    size = found.f_blocks * found.f_frsize
    return f"The disk that is mounted at {place} is full ({_free(root) >> 20} of {size >> 20} MB are free)"


def _take(path: str) -> None:
    """Whole or not at all: what a killed process leaves would else be taken for a reserve."""
    draft = f"{path}.new"
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, SIZE)
        os.rename(draft, path)
    except OSError:
        os.unlink(draft)
        raise
    finally:
        os.close(fd)


def _free(root: str) -> int:
    found = os.statvfs(root)
    return found.f_bavail * found.f_frsize


def settle(root: str) -> None:
    """Journals give back the blocks of deleted files when they commit: this file system's does now."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        libc.syncfs(fd)
    finally:
        os.close(fd)
