"""Leftovers: the instances of processes that were killed before they could clear up, which the next one does for them.

A process holds the lock of DIR/owner while it has the instance; the kernel lets go of it however the process ends.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PREFIX: Final = "corral-"
OWNER: Final = "owner"


def hold(root: Path) -> int:
    """Marks the directory as this process' own, until the descriptor that this returns is closed."""
    fresh = root / f"{OWNER}.new"
    fd = os.open(fresh, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fresh.rename(root / OWNER)  # it is seen when it is locked, and not before
    return fd


def find(place: Path | None = None) -> Iterator[Path]:
    """The directories that nobody holds any more, each while this process holds it, so that no other clears it up."""
    for root in sorted((place or Path(tempfile.gettempdir())).glob(f"{PREFIX}*")):
        fd = _take(root)
        if fd is None:
            continue
        try:
            yield root
        finally:
            os.close(fd)


def _take(root: Path) -> int | None:
    """None where somebody holds it, or where it is none of ours: anybody may make directories here."""
    try:
        found = root.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            return None
        fd = os.open(root / OWNER, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (root / OWNER).lstat()  # who cleared it up meanwhile had the lock, too
    except OSError:
        os.close(fd)
        return None
    return fd
