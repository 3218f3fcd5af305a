"""Hashing: digests of what files contain, computed once for each version of a file, many at a time."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from corral.build.copying.listing import Node
from corral.errors import from_oserror
from corral.linux.archive import Tree

_PIECE, _SMALL = 1 << 20, 64 << 10
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
Version = tuple[int, int, int, int, int]


class Hashes:
    """One for each build; may be used by several threads. A file is known by device, inode, size and both times."""

    def __init__(self, workers: int = 0) -> None:
        self._known: dict[Version, bytes] = {}
        self._workers = workers or min(4, os.cpu_count() or 1)

    def contents(self, tree: Tree, nodes: Iterable[Node]) -> dict[Version, bytes]:
        """The digests of all regular files among the nodes, by their version. HostError."""
        found: dict[Version, bytes] = {}
        large: list[tuple[Version, Node]] = []
        for node in nodes:
            if not stat.S_ISREG(node.stat.st_mode):
                continue
            key = version(node.stat)
            known = self._known.get(key)
            if known is not None:
                found[key] = known
            elif key not in found and node.stat.st_size <= _SMALL:
                found[key] = self._known[key] = _digest(tree, node)
            elif key not in found:
                large.append((key, node))
                found[key] = b""
        found.update(self._large(tree, large))
        return found

    def _large(self, tree: Tree, wanted: list[tuple[Version, Node]]) -> dict[Version, bytes]:
        """Hashing large pieces lets other threads run; each opens its files through a tree of its own."""
        if not wanted:
            return {}

        def work(share: list[tuple[Version, Node]]) -> list[tuple[Version, bytes]]:
            with Tree(tree.root) as own:
                return [(key, _digest(own, node)) for key, node in share]

        shares = [wanted[n :: self._workers] for n in range(self._workers)]
        with ThreadPoolExecutor(self._workers, "hash") as pool:
            found = dict(pair for pairs in pool.map(work, shares) for pair in pairs)
        self._known.update(found)
        return found


def version(there: os.stat_result) -> Version:
    return there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns


def _digest(tree: Tree, node: Node) -> bytes:
    hashed = hashlib.sha256()
    try:
        fd = os.open(node.name, _FLAGS, dir_fd=tree.directory(node.above))
        try:
            left = node.stat.st_size
            while left > 0 and (data := os.read(fd, _PIECE)):
                hashed.update(data)
                left -= len(data)
        finally:
            os.close(fd)
    except OSError as error:
        raise from_oserror(f"read /{node.path}", error) from error
    return hashed.digest()
