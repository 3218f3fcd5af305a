"""Files that change together: all of them lie in a directory that one link names, and the link is exchanged.

::

    VOLUME/key -> ..data/key        VOLUME/..data -> ..2026_01_02_03_04_05.123456789        VOLUME/..2026…/key

Who has the volume mounted sees the old files or the new ones, never some of each.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from corral.linux.tree import remove_tree

DATA: Final = "..data"


class File(NamedTuple):
    """One file's bytes and permissions. `owner` -1: root."""

    data: bytes
    mode: int = 0o644
    owner: int = -1


def write(place: str, files: Mapping[str, File], group: int = -1) -> bool:
    """Makes the directory show these files (by relative path) and no others; True if anything was changed.

    With a `group` (fsGroup) its members may read all of them. What a write left that was cut short anywhere, as by the
    daemon's death, is finished, or goes. OSError.
    """
    os.makedirs(place, mode=0o755, exist_ok=True)
    current = _current(place)
    _sweep(place, current)
    if current and _is_same(f"{place}/{current}", files):
        _link(place, files)
        return False
    now = time.time_ns()
    stamp = time.strftime("..%Y_%m_%d_%H_%M_%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}"
    made = f"{place}/{stamp}"
    os.mkdir(made, 0o755)
    for path, file in files.items():
        _write_one(made, path, file, group)
    if group >= 0:
        for directory in (place, made):
            os.chown(directory, -1, group)
            os.chmod(directory, 0o2775)
    os.symlink(stamp, f"{place}/{DATA}_tmp")
    os.rename(f"{place}/{DATA}_tmp", f"{place}/{DATA}")
    _link(place, files)
    _sweep(place, stamp)
    return True


def _current(place: str) -> str:
    try:
        return os.readlink(f"{place}/{DATA}")
    except OSError:
        return ""


def _is_same(directory: str, files: Mapping[str, File]) -> bool:
    there = {
        os.path.relpath(os.path.join(base, name), directory) for base, _, names in os.walk(directory) for name in names
    }
    if there != set(files):
        return False
    for path, file in files.items():
        with open(f"{directory}/{path}", "rb") as opened:
            if opened.read() != file.data:
                return False
    return True


def _write_one(base: str, path: str, file: File, group: int) -> None:
    full = f"{base}/{path}"
    os.makedirs(os.path.dirname(full), mode=0o755, exist_ok=True)
    fd = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        view = memoryview(file.data)
        while view:
            view = view[os.write(fd, view) :]
        os.fchown(fd, file.owner, group)
        os.fchmod(fd, file.mode | (0o440 if group >= 0 else 0))
    finally:
        os.close(fd)


def _link(place: str, files: Mapping[str, File]) -> None:
    """One link for each name at the top; those of files that are gone go last."""
    wanted = {path.partition("/")[0] for path in files}
    for name in wanted:
        if not os.path.lexists(f"{place}/{name}"):
            os.symlink(f"{DATA}/{name}", f"{place}/{name}")
    for name in os.listdir(place):
        if not name.startswith("..") and name not in wanted:
            os.unlink(f"{place}/{name}")


def _sweep(place: str, current: str) -> None:
    """Removes all of ours but what is seen."""
    for name in os.listdir(place):
        if name.startswith("..") and name not in (DATA, current):
            remove_tree(f"{place}/{name}")
