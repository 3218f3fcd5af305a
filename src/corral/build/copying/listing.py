"""Listing: the files behind a piece, resolved inside their root, in an order that is always the same.

The root was filled by strangers. Links are resolved as if it were `/`, by descriptors; nothing outside is seen.
"""

from __future__ import annotations

import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from corral.build.copying.filters import Rules
from corral.build.copying.match import compile_match, split_wildcards
from corral.build.copying.plan import Piece
from corral.errors import InvalidInput, NotFound
from corral.linux.archive import Tree
from corral.linux.rooted import open_in_root

_MOST_LINKS = 255  # on one path, as Go's resolver has it


@dataclass(frozen=True)
class Source:
    """Where files come from. `owner`: the ids that all of it counts as; None: the ids it has. `name` is for errors."""

    root: str
    owner: tuple[int, int] | None = None
    name: str = "context"


class MissingSource(NotFound):
    """A source that is not there. `path` is what was asked for, absolute in its origin."""

    def __init__(self, source: Source, path: str) -> None:
        super().__init__(
            f'failed to compute cache key: failed to calculate checksum of ref {source.name}: "{path}": not found'
        )  # fmt: skip
        self.path = path


@dataclass(slots=True)
class Node:
    """One file: `name` in the directory `above` of its root; `below` is its path in the directory that is copied, ""
    for that itself, and for a file that is copied alone."""

    above: str
    name: str
    below: str
    stat: os.stat_result

    @property
    def path(self) -> str:
        return f"{self.above}/{self.name}" if self.above else self.name

    @property
    def kind(self) -> int:
        return stat.S_IFMT(self.stat.st_mode)

    @property
    def directory(self) -> bool:
        return stat.S_ISDIR(self.stat.st_mode)


@dataclass(frozen=True)
class Found:
    """What a piece, or one match of its wildcards, is: `path` with its links resolved; `name` as it is called."""

    path: str
    name: str
    directory: bool


def resolve(tree: Tree, path: str) -> str:
    """`path` with all links followed inside the root, the last one too; what is missing is kept as it is written.

    Without slashes at its ends; "" is the root. InvalidInput for too many links.
    """
    done: list[str] = []
    todo = list(reversed(path.split("/")))
    links = 0
    while todo:
        name = todo.pop()
        if name in ("", "."):
            continue
        if name == "..":
            del done[-1:]
            continue
        target = _link(tree, "/".join(done), name)
        if target is None:
            done.append(name)
            continue
        links += 1
        if links > _MOST_LINKS:
            raise InvalidInput(f"/{path.strip('/')}: too many links")
        if target.startswith("/"):
            done = []
        todo += reversed(target.split("/"))
    return "/".join(done)


def _link(tree: Tree, directory: str, name: str) -> str | None:
    try:
        return os.readlink(name, dir_fd=tree.directory(directory))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
            return None
        raise


def look(tree: Tree, path: str) -> os.stat_result | None:
    """lstat in the root; None if it is not there."""
    above, name = posixpath.split(path)
    try:
        return os.stat(name or ".", dir_fd=tree.directory(above), follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def find(tree: Tree, source: Source, piece: Piece, rules: Rules) -> list[Found]:
    """What a local piece means. Wildcards that match nothing mean nothing; a name that is missing raises."""
    fixed, pattern = (piece.path, "") if piece.literal else split_wildcards(piece.path)
    if not pattern:
        path = resolve(tree, piece.path)
        there = look(tree, path)
        if there is None:
            raise MissingSource(source, posixpath.normpath(piece.path))
        return [Found(path, posixpath.basename(piece.path.rstrip("/")), stat.S_ISDIR(there.st_mode))]
    found = []
    for match in _matches(tree, resolve(tree, fixed), pattern.rstrip("/").split("/")):
        path = resolve(tree, match)
        there = look(tree, path)
        if there is None:
            raise MissingSource(source, f"/{match}")
        directory = stat.S_ISDIR(there.st_mode)
        name = posixpath.basename(match)
        if directory or rules.takes_name(name):
            found.append(Found(path, name, directory))
    return found


def _matches(tree: Tree, base: str, parts: list[str]) -> Iterator[str]:
    """Component by component: a wildcard never matches a slash. Links on the way are not followed."""
    regex = compile_match(parts[0])
    there = look(tree, base)
    if there is None or not stat.S_ISDIR(there.st_mode):
        return
    for name in _names(tree, base):
        if regex.fullmatch(name):
            path = posixpath.join(base, name)
            if len(parts) == 1:
                yield path
            else:
                yield from _matches(tree, path, parts[1:])


def _names(tree: Tree, path: str) -> list[str]:
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree.directory(path))
    try:
        return sorted(os.listdir(fd), key=os.fsencode)
    finally:
        os.close(fd)


def walk(tree: Tree, found: Found, rules: Rules) -> Iterator[Node]:
    """What is copied, directories before what is in them.

    The directory itself comes first, always. A directory that is not taken itself comes before the first thing in it
    that is.
    """
    top = look(tree, found.path)
    assert top is not None
    yield Node(*posixpath.split(found.path), "", top)
    if not found.directory:
        return
    waiting: list[Node | None] = [None]  # along the way down: directories that have not come yet
    levels = [_nodes(tree, found.path, "")]
    while levels:
        node = next(levels[-1], None)
        if node is None:
            levels.pop()
            waiting.pop()
            continue
        taken = rules.takes(node.below)
        if taken:
            for n, parent in enumerate(waiting):
                if parent is not None:
                    yield parent
                    waiting[n] = None
            yield node
        if node.directory and (taken or rules.opens(node.below)):
            levels.append(_nodes(tree, node.path, node.below))
            waiting.append(None if taken else node)


def _nodes(tree: Tree, path: str, below: str) -> Iterator[Node]:
    """The children of a directory. It is read at once; what went away meanwhile is left out."""
    fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=tree.directory(path))
    children, prefix = [], f"{below}/" if below else ""
    try:
        for name in sorted(os.listdir(fd), key=_in_bytes):
            try:
                there = os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
            children.append(Node(path, name, prefix + name, there))
    finally:
        os.close(fd)
    return iter(children)


def _in_bytes(name: str) -> bytes:
    """Pure: as the file system has it (os.fsencode, which takes several times as long)."""
    return name.encode("utf-8", "surrogateescape")


def read_small(root: int, path: str, limit: int) -> bytes:
    """A regular file of the root, links followed inside. InvalidInput if it is none, or larger than `limit`."""
    try:
        fd = open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENXIO, errno.ENODEV):  # a socket, or a device that this machine does not have
            raise InvalidInput(f"/{path} is not a regular file") from error
        raise
    with open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise InvalidInput(f"/{path} is not a regular file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InvalidInput(f'"/{path}" exceeds {limit} bytes')
    return data
