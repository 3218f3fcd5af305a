"""Union: what layers on top of each other show, read without mounting them.

The rules are overlayfs': the first layer that has a name decides; a character device 0:0 (a whiteout) says
"not here, and not below"; directories of several layers merge until one that is opaque.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple

from corral.errors import InvalidInput
from corral.linux.pack import is_opaque
from corral.linux.unpack import is_whiteout


class Found(NamedTuple):
    """`path` is where it is on disk; `dirs`, for a directory, all that merge into it, the top first."""

    path: str
    stat: os.stat_result
    dirs: list[str]

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.stat.st_mode)


def step(dirs: Sequence[str], name: str) -> Found | None:
    """What `name` is in merged directories (the top first); None if it is not there."""
    found: Found | None = None
    for directory in dirs:
        path = f"{directory}/{name}"
        try:
            there = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if is_whiteout(there):
            break
        if not stat.S_ISDIR(there.st_mode):
            return found or Found(path, there, [])
        if found is None:
            found = Found(path, there, [])
        found.dirs.append(path)
        if is_opaque(path):
            break
    return found


def find(layers: Sequence[str], path: str) -> Found | None:
    """What `path` ("etc/passwd") is in the union; links are not followed. "" is the root."""
    found: Found | None = Found(layers[0], os.lstat(layers[0]), list(layers)) if layers else None
    for name in path.split("/") if path else []:
        if found is None or not found.is_dir:
            return None
        found = step(found.dirs, name)
    return found


_MAX_LINKS = 40  # what the kernel allows on one path


def resolve(layers: Sequence[str], path: str) -> str:
    """Where `path` leads in the union when links are followed, all but a missing rest: "var/run/x" may be "run/x".

    InvalidInput for a path of too many links.
    """
    done: list[str] = []
    todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    links = 0
    while todo:
        name = todo.pop()
        if name == "..":
            done = done[:-1]
            continue
        found = find(layers, "/".join([*done, name]))
        if found is None or not stat.S_ISLNK(found.stat.st_mode):
            done.append(name)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise InvalidInput(f"too many levels of symbolic links: /{path.lstrip('/')}")
        target = os.readlink(found.path)
        done = [] if target.startswith("/") else done
        todo += [part for part in reversed(target.split("/")) if part not in ("", ".")]
    return "/".join(done)


def names(dirs: Sequence[str]) -> set[str]:
    """The names in merged directories."""
    seen: set[str] = set()
    gone: set[str] = set()
    for directory in dirs:
        with os.scandir(directory) as entries:
            here = {e.name: is_whiteout(e.stat(follow_symlinks=False)) for e in entries}
        seen |= {name for name, whiteout in here.items() if not whiteout and name not in gone}
        gone |= {name for name, whiteout in here.items() if whiteout}
    return seen
