"""Hashing: digests of what files contain, and their attributes, once for each version of a file, many at a time."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from corral.build.copying.attributes import read_attributes
from corral.build.copying.listing import Node
from corral.errors import from_oserror
from corral.linux.archive import Tree

_PIECE, _SMALL = 1 << 20, 64 << 10
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
Version = tuple[int, int, int, int, int]
Hashed = tuple[bytes, dict[str, bytes]]  # the content's digest, and the attributes


class Hashes:
    """One for each build; may be used by several threads. A file is known by device, inode, size and both times: the
    second one changes with its attributes too."""

    def __init__(self, workers: int = 0) -> None:
        self._known: dict[Version, Hashed] = {}
        self._workers = workers or min(4, os.cpu_count() or 1)

    def contents(
        self, tree: Tree, nodes: Sequence[Node], check: Callable[[], None] = lambda: None
    ) -> list[Hashed | None]:
        """For each node what its file holds; None where it is no regular file. `check` is called for every piece that
        is read. HostError."""
        versions = [version(node.stat) if stat.S_ISREG(node.stat.st_mode) else None for node in nodes]
        large: dict[Version, Node] = {}
        for key, node in zip(versions, nodes, strict=True):
            if key is None or key in self._known:
                continue
            if node.stat.st_size <= _SMALL:
                self._known[key] = _hash(tree, node, check)
            else:
                large[key] = node
        self._large(tree, list(large.items()), check)
        return [None if key is None else self._known[key] for key in versions]

    def _large(self, tree: Tree, wanted: list[tuple[Version, Node]], check: Callable[[], None]) -> None:
        """Hashing large pieces lets other threads run; each opens its files through a tree of its own."""
        if not wanted:
            return

        def work(share: list[tuple[Version, Node]]) -> list[tuple[Version, Hashed]]:
            with Tree(tree.root) as own:
                return [(key, _hash(own, node, check)) for key, node in share]

        shares = [wanted[n :: self._workers] for n in range(self._workers)]
        with ThreadPoolExecutor(self._workers, "hash") as pool:
            for pairs in pool.map(work, shares):
                self._known.update(pairs)


def version(there: os.stat_result) -> Version:
    return there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns


def _hash(tree: Tree, node: Node, check: Callable[[], None]) -> Hashed:
    try:
        fd = os.open(node.name, _FLAGS, dir_fd=tree.directory(node.above))
        try:
            return _digest(fd, node.stat.st_size, check), read_attributes(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise from_oserror(f"read /{node.path}", error) from error


def _digest(fd: int, size: int, check: Callable[[], None]) -> bytes:
    hashed = hashlib.sha256()
    while size > 0 and (data := os.read(fd, min(size, _PIECE))):
        check()
        hashed.update(data)
        size -= len(data)
    return hashed.digest()
