"""Changes: how a container's own layer differs from the image below it (`docker diff`), and how large it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence

from corral.errors import from_oserror
from corral.images.union import names, step
from corral.linux.pack import is_opaque
from corral.linux.unpack import is_whiteout
from corral.model.image import Change


def changes(upper: str, lowers: Sequence[str]) -> list[Change]:
    """Every difference, sorted by path. A directory in which something changed is itself "modified". Blocking.

    What was only touched by the copy into the upper layer, but is the same, is no change.
    """
    kinds: dict[str, str] = {}
    todo: list[tuple[str, str, Sequence[str]]] = [("", upper, lowers)]
    try:
        while todo:
            path, directory, below = todo.pop()
            todo += _directory(path, directory, below, kinds)
    except OSError as error:
        raise from_oserror(f"compare {upper} with its image", error) from error
    return [Change(path, kind) for path, kind in sorted(with_parents(kinds).items())]


def with_parents(kinds: dict[str, str]) -> dict[str, str]:
    """Pure: adds the directories above each change.

    >>> with_parents({"/a/b/c": "added"})
    {'/a/b/c': 'added', '/a/b': 'modified', '/a': 'modified'}
    """
    result = dict(kinds)
    for path in kinds:
        above = path.rpartition("/")[0]
        while above and above not in result:
            result[above] = "modified"
            above = above.rpartition("/")[0]
    return result


def _directory(
    path: str, directory: str, below: Sequence[str], kinds: dict[str, str]
) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Notes what changed in one directory; gives those inside it that must be looked at."""
    with os.scandir(directory) as entries:
        here = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    for name, there in here.items():
        place = f"{path}/{name}"
        old = step(below, name)
        if is_whiteout(there):
            if old is not None:
                kinds[place] = "deleted"
            continue
        if old is None:
            kinds[place] = "added"
        elif differ(there, old.stat) or _capability(f"{directory}/{name}") != _capability(old.path):
            kinds[place] = "modified"
        if stat.S_ISDIR(there.st_mode):
            yield place, f"{directory}/{name}", _visible(f"{directory}/{name}", place, old.dirs if old else [], kinds)


def _visible(directory: str, path: str, below: list[str], kinds: dict[str, str]) -> list[str]:
    """The lower directories to compare with. An opaque directory starts afresh: what it hides counts as deleted."""
    if below and is_opaque(directory):
        here = set(os.listdir(directory))
        kinds.update({f"{path}/{name}": "deleted" for name in names(below) - here})
    return below


def differ(new: os.stat_result, old: os.stat_result) -> bool:
    """Pure: are they different as files go? Times count only for what is no directory; a whole second equals any
    fraction of it, for archives keep no fractions."""
    if (new.st_mode, new.st_uid, new.st_gid, new.st_rdev) != (old.st_mode, old.st_uid, old.st_gid, old.st_rdev):
        return True
    if stat.S_ISDIR(new.st_mode):
        return False
    return new.st_size != old.st_size or not _same_time(new.st_mtime_ns, old.st_mtime_ns)


def _same_time(a: int, b: int) -> bool:
    """
    >>> _same_time(1_500_000_000, 1_000_000_000), _same_time(1_500_000_000, 1_400_000_000)
    (True, False)
    """
    return a == b or (a // 10**9 == b // 10**9 and (a % 10**9 == 0 or b % 10**9 == 0))


def _capability(path: str) -> bytes:
    try:
        return os.getxattr(path, "security.capability", follow_symlinks=False)
    except OSError:  # has none, or the file system keeps none
        return b""


def size_of_tree(path: str) -> int:
    """The bytes of all regular files below, each once however many names it has. Blocking."""
    total = 0
    seen: set[int] = set()
    todo = [path]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        there = entry.stat(follow_symlinks=False)
                        if there.st_nlink == 1 or there.st_ino not in seen:
                            total += there.st_size
                            seen.add(there.st_ino)
        except FileNotFoundError:
            continue  # removed while we looked
        except OSError as error:
            raise from_oserror(f"measure {path}", error) from error
    return total
