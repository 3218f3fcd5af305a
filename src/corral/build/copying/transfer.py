"""Transfer: one file of a source becomes one of the target, with all that belongs to it."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable
from typing import TypeVar

from corral.build.copying.attributes import place_of, read_attributes, write_attributes
from corral.build.copying.content import NEW, copy_content, open_source
from corral.build.copying.listing import Node, look
from corral.errors import InvalidInput
from corral.linux.archive import Tree

T = TypeVar("T")


class Writer:
    """Writes into one target. `owner`: for everything (--chown); `change`: what becomes of modes (--chmod);
    `made_mode`: of directories that nothing in a source stands for."""

    def __init__(
        self, target: Tree, owner: tuple[int, int] | None, change: Callable[[int, bool], int] | None, made_mode: int,
        check: Callable[[], None],
    ) -> None:  # fmt: skip
        self.target = target
        self.owner = owner
        self._change = change
        self._made_mode, self._check = made_mode, check
        self._links: dict[tuple[int, int], str] = {}
        self._times: list[tuple[str, tuple[int, int]]] = []

    def make_directories(self, path: str, mode: int | None = None) -> None:
        """The directory `path`, whose links are resolved, and those above it, where they are missing. All that are
        made have the owner and the mode (`made_mode` unless another is given)."""
        try:
            self.target.directory(path)
            return
        except FileNotFoundError:
            pass
        except NotADirectoryError:
            raise InvalidInput(f"mkdir /{path}: not a directory") from None
        above, name = posixpath.split(path)
        self.make_directories(above, mode)
        parent = self.target.directory(above)
        os.mkdir(name, 0o700, dir_fd=parent)
        os.chown(name, *(self.owner or (0, 0)), dir_fd=parent, follow_symlinks=False)
        os.chmod(name, self._made_mode if mode is None else mode, dir_fd=parent)

    def begin(self) -> None:
        """A new source: hard links are kept within one."""
        self._links.clear()

    def later(self, path: str, there: os.stat_result) -> None:
        """The directory gets these times at the end: until then things are made in it."""
        self._times.append((path, (there.st_atime_ns, there.st_mtime_ns)))

    def finish(self) -> None:
        for path, times in reversed(self._times):
            os.utime(path or ".", ns=times, dir_fd=self.target.root, follow_symlinks=False)
        self._times.clear()

    # Files.

    def write(self, source: Tree, node: Node, path: str, owner: tuple[int, int] | None) -> None:
        """`node` becomes `path`. `owner` counts where there is no --chown; None: the node's own."""
        self._check()
        above, _, name = path.rpartition("/")
        parent, origin = self.target.directory(above), source.directory(node.above)
        there, kind = node.stat, node.kind
        ids = self.owner or owner or (there.st_uid, there.st_gid)
        first = self._links.setdefault((there.st_dev, there.st_ino), path) if there.st_nlink > 1 else path
        if kind == stat.S_IFREG and first == path:
            self._file(node, origin, parent, path, ids)
            return
        if kind == stat.S_IFDIR:
            self._directory(parent, name, path)
            self.later(path, there)
        else:
            self._create(self._making(node, origin, parent, name, first), parent, path)
        os.chown(name, *ids, dir_fd=parent, follow_symlinks=False)
        if kind != stat.S_IFLNK:
            os.chmod(name, self._mode(node), dir_fd=parent)
        attributes = read_attributes(place_of(origin, node.name or "."))
        if attributes:
            write_attributes(place_of(parent, name), attributes)
        if kind != stat.S_IFDIR:
            os.utime(name, ns=(there.st_atime_ns, there.st_mtime_ns), dir_fd=parent, follow_symlinks=False)

    def _file(self, node: Node, origin: int, parent: int, path: str, ids: tuple[int, int]) -> None:
        """A regular file, all by descriptors: most of what is copied are these."""
        name = path.rpartition("/")[2]
        read, there = open_source(origin, node.name)
        try:
            write = self._create(lambda: os.open(name, NEW, 0o600, dir_fd=parent), parent, path)
            try:
                copy_content(read, write, there, self._check)
                os.fchown(write, *ids)
                os.fchmod(write, self._mode(node))
                if attributes := read_attributes(read):
                    write_attributes(write, attributes)
                os.utime(write, ns=(node.stat.st_atime_ns, node.stat.st_mtime_ns))
            finally:
                os.close(write)
        finally:
            os.close(read)

    def _mode(self, node: Node) -> int:
        mode = stat.S_IMODE(node.stat.st_mode)
        return mode if self._change is None else self._change(mode, node.directory)

    def _directory(self, parent: int, name: str, path: str) -> None:
        try:
            os.mkdir(name, 0o700, dir_fd=parent)
        except FileExistsError:
            if not stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
                raise InvalidInput(f"cannot copy to non-directory: /{path}") from None

    def _create(self, make: Callable[[], T], parent: int, path: str) -> T:
        try:
            return make()
        except FileExistsError:
            self.replace(parent, path)
            return make()

    def replace(self, parent: int, path: str) -> None:
        """Takes away the file or link that stands at `path`, in the directory `parent`."""
        try:
            os.unlink(posixpath.basename(path), dir_fd=parent)
        except FileNotFoundError:
            pass
        except OSError as error:
            there = look(self.target, path)
            if there is None or not stat.S_ISDIR(there.st_mode):
                raise
            raise InvalidInput(f"cannot replace to directory /{path} with file") from error

    def _making(self, node: Node, origin: int, parent: int, name: str, first: str) -> Callable[[], None]:
        """What makes a file that is not a new regular one, without its attributes; FileExistsError if one is there.
        `first` is the place of the one that it is a hard link to, for regular files."""
        kind = node.kind
        if kind == stat.S_IFLNK:
            return lambda: os.symlink(os.readlink(node.name, dir_fd=origin), name, dir_fd=parent)
        if kind == stat.S_IFREG:
            above, _, first_name = first.rpartition("/")
            held = self.target.directory(above)
            return lambda: os.link(first_name, name, src_dir_fd=held, dst_dir_fd=parent, follow_symlinks=False)
        if kind == stat.S_IFSOCK:
            # Nobody listens there any more: an empty file keeps its place.
            return lambda: os.close(os.open(name, NEW, 0o600, dir_fd=parent))
        if kind == stat.S_IFCHR and node.stat.st_rdev == 0:
            raise InvalidInput(f"/{node.path}: a device 0:0 would hide a file of the layers below: not copied")
        return lambda: os.mknod(name, kind | 0o600, node.stat.st_rdev, dir_fd=parent)
