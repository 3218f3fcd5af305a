"""Merging: several layers as one, without copying a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from corral.errors import from_oserror
from corral.images import scaffold
from corral.images.union import find
from corral.linux.pack import is_opaque
from corral.linux.unpack import OPAQUE, is_whiteout


def merge(target: str, layers: Sequence[str], below: Sequence[str]) -> None:
    """Makes the directory `target` of `layers` (the top first) what they are together on `below`: files are hard links,
    and what is deleted or hidden below stays so. Blocking."""
    try:
        os.mkdir(target)
        todo = [("", list(layers))]
        made = []
        while todo:
            path, dirs = todo.pop()
            made.append((path, dirs[0]))
            todo += _directory(target, path, dirs, below)
        for path, like in reversed(made):
            scaffold.dress_like(f"{target}/{path}", like)
    except OSError as error:
        raise from_oserror(f"merge layers into {target}", error) from error


def _directory(target: str, path: str, dirs: list[str], below: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Fills one directory, which is there; the directories in it, each with all that merge into it."""
    inside = []
    seen: set[str] = set()
    for number, directory in enumerate(dirs):
        for name in sorted(set(os.listdir(directory)) - seen):
            seen.add(name)
            source, place = f"{directory}/{name}", f"{path}/{name}".lstrip("/")
            there = os.lstat(source)
            if stat.S_ISDIR(there.st_mode):
                merged, hidden = _merged([f"{one}/{name}" for one in dirs[number:]])
                os.mkdir(f"{target}/{place}")
                if hidden and find(below, place) is not None:
                    os.setxattr(f"{target}/{place}", OPAQUE, b"y")
                inside.append((place, merged))
            elif not is_whiteout(there) or find(below, place) is not None:
                os.link(source, f"{target}/{place}", follow_symlinks=False)
    return inside


def _merged(paths: list[str]) -> tuple[list[str], bool]:
    """The directories that merge, the top first, and whether they hide what is below all of these layers."""
    merged: list[str] = []
    for path in paths:
        try:
            mode = os.lstat(path).st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if not stat.S_ISDIR(mode):
            return merged, True
        merged.append(path)
        if is_opaque(path):
            return merged, True
    return merged, False
