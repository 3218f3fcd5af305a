"""Pack: a file or a tree of a directory as a tar, in an order and with headers that depend on nothing else.

Children are sorted by name, times are whole seconds, hard links inside the tree stay hard links, sockets are left
out. A file that grows or shrinks meanwhile (its container runs) is cut or filled with zeros to the size its header
says. Links are never followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from corral.errors import from_oserror
from corral.linux.idmap import CAPABILITY, IdMaps, capability_inside
from corral.linux.rooted import open_in_root, open_root
from corral.linux.tar.entry import Entry
from corral.linux.tar.writer import END, entry_bytes, padding, sparse_bytes
from corral.linux.unpack import OPAQUE, OPAQUE_MARK, WHITEOUT, is_whiteout

_BUFFER = 1 << 18
_PIECE = 1 << 20
_XATTRS = ("security.capability", "user.", "system.posix_acl_")
_KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "dir", stat.S_IFLNK: "symlink",
          stat.S_IFCHR: "char", stat.S_IFBLK: "block", stat.S_IFIFO: "fifo"}  # fmt: skip


@dataclass(frozen=True)
class PackOptions:
    """`overlay`: write overlayfs' whiteouts and opaque directories as `.wh.` entries.
    `skip(path)`: leave this path of the root, and all below, out. `owner`: (uid, gid) to write for everything.
    `ids`: files are read with ids of the host's, and written with those of this namespace.
    `sparse`: holes stay holes (GNU tar's PAX format 1.0, which its and libarchive's tar, and this one, unpack).
    `raw`: told every byte of the archive that is not a file's content; `written(path, entry)`: told where one is.
    """

    overlay: bool = False
    skip: Callable[[str], bool] = lambda path: False
    owner: tuple[int, int] | None = None
    ids: IdMaps | None = None
    sparse: bool = False
    raw: Callable[[bytes], object] | None = None
    written: Callable[[str, Entry], object] | None = None


class Packer:
    """Writes one archive: any number of `add`, then `finish`. Raises HostError; and whatever `write` raises."""

    def __init__(self, write: Callable[[bytes], None], root: int | str, options: PackOptions | None = None) -> None:
        self._write = write
        self._options = options or PackOptions()
        self._pending: list[bytes] = []
        self._size = 0
        self._links: dict[tuple[int, int], str] = {}  # the first name of each file with several
        self._root = open_root(root)

    def __enter__(self) -> Packer:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def add(self, path: str = "", name: str = "") -> None:
        """Adds `path` of the root ("" is the root) under `name`, with all below it.

        With the name "" a directory itself gets no entry and its children get their plain names.
        """
        todo = [(path.strip("/"), name)]
        while todo:
            place, called = todo.pop()
            try:
                todo += reversed(self._one(place, called))
            except FileNotFoundError:
                if place == path.strip("/"):
                    raise
                # It went away since its directory was listed: as if it had not been there.
            except OSError as error:
                raise from_oserror(f"pack {place!r}", error) from error

    def finish(self) -> None:
        """Writes the end of the archive."""
        self._head(END)
        self._flush()

    def _one(self, path: str, name: str) -> list[tuple[str, str]]:
        """Writes one thing; returns a directory's children."""
        above, _, base = path.rpartition("/")
        parent = open_in_root(self._root, above, os.O_PATH | os.O_DIRECTORY)
        try:
            there = os.lstat(base or ".", dir_fd=parent)
            if stat.S_ISREG(there.st_mode):
                self._file(parent, base, path, name, there)
            elif stat.S_ISDIR(there.st_mode):
                return self._directory(parent, base, path, name, there)
            elif self._options.overlay and is_whiteout(there):
                self._head(entry_bytes(_whiteout(name)))
            elif (kind := _KINDS.get(stat.S_IFMT(there.st_mode))) is not None:
                entry = self._entry(name, kind, there)
                if kind == "symlink":
                    entry.link = os.readlink(base, dir_fd=parent)
                    entry.mode = 0o777
                else:
                    entry.major, entry.minor = os.major(there.st_rdev), os.minor(there.st_rdev)
                self._head(entry_bytes(entry))
        finally:
            os.close(parent)
        return []

    def _directory(self, parent: int, base: str, path: str, name: str, there: os.stat_result) -> list[tuple[str, str]]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(base or ".", flags, dir_fd=parent)
        try:
            entry = self._entry(name, "dir", there)
            entry.xattrs = self._xattrs(fd)
            if name:
                self._head(entry_bytes(entry))
            if self._options.overlay and is_opaque(fd):
                self._head(entry_bytes(Entry(join(name, OPAQUE_MARK), mode=0)))
            children = sorted(os.listdir(fd), key=os.fsencode)
        finally:
            os.close(fd)
        pairs = [(join(path, child), join(name, child)) for child in children]
        return [pair for pair in pairs if not self._options.skip(pair[0])]

    def _file(self, parent: int, base: str, path: str, name: str, there: os.stat_result) -> None:
        if there.st_nlink > 1:
            first = self._links.setdefault((there.st_dev, there.st_ino), name)
            if first != name:
                entry = self._entry(name, "hardlink", there)
                entry.link = first
                self._head(entry_bytes(entry))
                return
        fd = _open_file(parent, base)
        try:
            there = os.fstat(fd)
            if not stat.S_ISREG(there.st_mode):
                return  # swapped meanwhile
            entry = self._entry(name, "file", there)
            entry.size = entry.stored = there.st_size
            entry.xattrs = self._xattrs(fd)
            if self._options.sparse and there.st_blocks * 512 < there.st_size:
                entry.sparse = data_of(fd, there.st_size)
                self._head(sparse_bytes(entry))
            else:
                self._head(entry_bytes(entry))
            pieces = entry.sparse or [(0, there.st_size)]
            for offset, length in pieces:
                os.lseek(fd, offset, os.SEEK_SET)
                self._content(fd, length)
            if self._options.written is not None:
                self._options.written(path, entry)
            self._head(padding(sum(length for _, length in pieces)))
        finally:
            os.close(fd)

    def _content(self, fd: int, size: int) -> None:
        left = size
        while left:
            piece = os.read(fd, min(left, _PIECE)) or bytes(min(left, _PIECE))
            self._put(piece)
            left -= len(piece)

    def _entry(self, name: str, kind: str, there: os.stat_result) -> Entry:
        uid, gid = there.st_uid, there.st_gid
        if self._options.ids is not None:
            uid, gid = self._options.ids.inside(uid, gid)
        uid, gid = self._options.owner or (uid, gid)
        seconds = there.st_mtime_ns // 10**9
        mode = stat.S_IMODE(there.st_mode)
        return Entry(name, kind, 0, mode, uid, gid, seconds * 10**9)  # type: ignore[arg-type]

    def _xattrs(self, fd: int) -> dict[str, bytes]:
        found = _xattrs(fd)
        if self._options.ids is not None and CAPABILITY in found:
            found[CAPABILITY] = capability_inside(found[CAPABILITY], self._options.ids)
        return found

    def _head(self, data: bytes) -> None:
        """Bytes that are no file's content."""
        if self._options.raw is not None:
            self._options.raw(data)
        self._put(data)

    def _put(self, data: bytes) -> None:
        self._pending.append(data)
        self._size += len(data)
        if self._size >= _BUFFER:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            self._write(b"".join(self._pending) if len(self._pending) > 1 else self._pending[0])
        self._pending, self._size = [], 0


def data_of(fd: int, size: int) -> list[tuple[int, int]]:
    """Where a file has data: (offset, length), in order; a hole at its end is an empty piece at its size."""
    pieces, at = [], 0
    while at < size:
        try:
            start = os.lseek(fd, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            break  # a hole until the end
        at = min(os.lseek(fd, start, os.SEEK_HOLE), size)
        if start < at:
            pieces.append((start, at - start))
    return pieces if pieces and sum(pieces[-1]) == size else [*pieces, (size, 0)]


def join(directory: str, name: str) -> str:
    """A path in an archive.

    >>> join("", "a"), join("a", "b"), join("./", "b")
    ('a', 'a/b', './b')
    """
    return f"{directory.rstrip('/')}/{name}" if directory else name


def _whiteout(name: str) -> Entry:
    above, _, base = name.rpartition("/")
    return Entry(join(above, WHITEOUT + base), mode=0)


def is_opaque(fd: int | str) -> bool:
    """Does this directory of an overlay's layer hide all that lower ones have in it?"""
    try:
        return os.getxattr(fd, OPAQUE) == b"y"
    except OSError:
        return False


def _open_file(parent: int, base: str) -> int:
    """For reading, without touching its access time where that is allowed (only its owner and root may)."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(base, flags | os.O_NOATIME, dir_fd=parent)
    except PermissionError:
        return os.open(base, flags, dir_fd=parent)


def _xattrs(fd: int) -> dict[str, bytes]:
    """The attributes that belong to the file, not to this host: capabilities, ACLs, the user's own."""
    found = {}
    try:
        names = os.listxattr(fd)
    except OSError as error:
        if error.errno == errno.EOPNOTSUPP:
            return {}
        raise
    for name in names:
        if name.startswith(_XATTRS) and not name.startswith("user.overlay."):
            try:
                found[name] = os.getxattr(fd, name)
            except OSError as error:
                if error.errno != errno.ENODATA:  # removed meanwhile
                    raise
    return found
