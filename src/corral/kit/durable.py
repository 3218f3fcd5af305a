"""Files that a crash or a power cut leaves whole: the old one or the new one. Blocks."""

from __future__ import annotations

import contextlib
import os


def write_durably(path: str, data: bytes, mode: int = 0o600) -> None:
    """Replaces a file in one step. What was said to be written outlives a power cut, with its name; what could not be
    written leaves the old file, and no draft. Two at once on one path are the caller's to keep apart. OSError."""
    draft = f"{path}.new"
    try:
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
        with open(fd, "wb") as file:
            os.fchmod(fd, mode)
            file.write(data)
            file.flush()
            os.fsync(fd)
        os.replace(draft, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    sync_directory(os.path.dirname(path) or ".")


def sync_directory(path: str) -> None:
    """Makes the names in a directory durable. OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
