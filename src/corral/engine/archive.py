"""Copying between a container and a tar stream: what lies at a path, packing it, unpacking into it.

Which of Docker's many cases of "copy to" and "copy from" is meant is decided by the client, from `stat`; here a
path that ends in "/" or "/." means the directory behind a link, and anything else the link itself.
"""

from __future__ import annotations

import os
import posixpath
import stat as modes
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import NamedTuple

from corral.engine.inside import Inside, real_path
from corral.errors import InvalidInput, NotFound, from_oserror
from corral.linux.archive import Entry, Packer, PackOptions, TarReader, Tree, Unpacker, UnpackOptions, clean_name
from corral.linux.compression import decompressed
from corral.linux.rooted import open_in_root
from corral.linux.streams import consume, produce


class PathStat(NamedTuple):
    """`mode` has Go's bits (`go_mode`), `mtime` is in nanoseconds, `link_target` a link's real target inside."""

    name: str
    size: int
    mode: int
    mtime: int
    link_target: str = ""


_GO_KINDS = {
    modes.S_IFDIR: 1 << 31, modes.S_IFLNK: 1 << 27, modes.S_IFBLK: 1 << 26, modes.S_IFIFO: 1 << 25,
    modes.S_IFSOCK: 1 << 24, modes.S_IFCHR: 1 << 26 | 1 << 21,
}  # fmt: skip


def go_mode(mode: int) -> int:
    """Pure: the kernel's mode as Go's os.FileMode.

    >>> hex(go_mode(0o040755)), hex(go_mode(0o104755)), hex(go_mode(0o041777))
    ('0x800001ed', '0x8001ed', '0x801001ff')
    """
    special = ((modes.S_ISUID, 1 << 23), (modes.S_ISGID, 1 << 22), (modes.S_ISVTX, 1 << 20))
    return (mode & 0o777) | _GO_KINDS.get(modes.S_IFMT(mode), 0) | sum(bit for given, bit in special if mode & given)


def base(path: str) -> str:
    """Pure: the last element of a path as Go has it.

    >>> [base(p) for p in ("/etc/", "/etc/.", "/", "", "a")]
    ['etc', '.', '/', '.', 'a']
    """
    if not path:
        return "."
    return path.rstrip("/").rpartition("/")[2] or "/"


def absolute(path: str) -> str:
    """Pure: a clean absolute path that keeps what says "the directory itself" at its end.

    >>> [absolute(p) for p in ("etc/../var/", "//a//b/.", "/", "../x", ".", "./")]
    ['/var/', '/a/b/.', '/', '/x', '/.', '/.']
    """
    clean = posixpath.normpath(f"/{path}").replace("//", "/")
    if base(path) == "." and (clean == "/" or not path.endswith("/")):
        return f"{clean.rstrip('/')}/."
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


def stat(inside: Inside, path: str) -> PathStat:
    """What lies at `path`; a link is told of itself. NotFound in Docker's words. Blocks."""

    def work(root: int) -> PathStat:
        try:
            fd = open_in_root(root, path, os.O_PATH | os.O_NOFOLLOW)
            try:
                found = os.fstat(fd)
            finally:
                os.close(fd)
            target = real_path(root, path) if modes.S_ISLNK(found.st_mode) else ""
        except OSError as error:
            raise _failure(inside, path, "lstat", error) from error
        return PathStat(base(path), found.st_size, go_mode(found.st_mode), found.st_mtime_ns, target)

    return inside.run(work)


def read(inside: Inside, path: str) -> AsyncIterator[bytes]:
    """A tar stream of what lies at `path`, with all below it; its first entry has the path's last name.

    The stream raises NotFound if it has gone meanwhile, and HostError. Close it early and the work stops.
    """
    place = absolute(path)

    def work(write: Callable[[bytes], None]) -> None:
        inside.run(lambda root: _pack(inside, root, place, write))

    return produce(work, name="copy-out")


def _pack(inside: Inside, root: int, place: str, write: Callable[[bytes], None]) -> None:
    itself = place.endswith(("/", "/."))
    try:
        with Packer(write, root, PackOptions(skip=inside.is_kernels, ids=inside.ids)) as packer:
            packer.add(real_path(root, place) if itself else place, base(place))
            packer.finish()
    except OSError as error:
        raise _failure(inside, place, "lstat", error) from error


async def write(
    inside: Inside,
    path: str,
    chunks: AsyncIterator[bytes],
    no_overwrite_dir_non_dir: bool = False,
    copy_uid_gid: bool = False,
) -> None:
    """Unpacks a tar stream, compressed or not, into the directory `path`; all links are followed as inside.

    `copy_uid_gid`: everything belongs to the container's user (`inside.owner`). Raises NotFound (no such path),
    InvalidInput (no directory, read-only, a bad or hostile archive, a directory over a file or the other way
    round when that is not wanted), NoSpace, HostError. What was unpacked before an error stays.
    """

    def work(source: Iterable[bytes]) -> None:
        data = decompressed(source)
        inside.run(lambda root: _unpack(inside, root, path, data, no_overwrite_dir_non_dir, copy_uid_gid))

    await consume(chunks, work, name="copy-in")


def _unpack(inside: Inside, root: int, path: str, data: Iterable[bytes], keep_kinds: bool, copy_owner: bool) -> None:
    try:
        place = real_path(root, f"/{path}")
        fd = open_in_root(root, place, os.O_PATH | os.O_NOFOLLOW)
        try:
            kind = os.fstat(fd).st_mode
        finally:
            os.close(fd)
    except OSError as error:
        raise _failure(inside, path, "lstat", error) from error
    if not modes.S_ISDIR(kind):
        raise InvalidInput("extraction point is not a directory")
    inside.check_writable(root, place)
    options = UnpackOptions(
        keep_kinds=keep_kinds,
        destination=place,
        owner=inside.owner if copy_owner else None,
        ids=inside.ids,
        root_entry=False,
    )
    reader = _Placed(data, place)
    try:
        with Tree(root) as tree:
            Unpacker(tree, options).run(reader)
    except InvalidInput as error:  # names in messages are the archive's
        raise type(error)(error.message.replace(reader.placed, reader.given)) from error


class _Placed(TarReader):
    """An archive whose names are taken relative to a directory of the root, so that links in it lead as inside."""

    def __init__(self, chunks: Iterable[bytes], place: str) -> None:
        super().__init__(chunks)
        self._place = place.strip("/")
        self.given = self.placed = "\0"

    def __iter__(self) -> Iterator[Entry]:
        for entry in super().__iter__():
            name = clean_name(entry.name)
            if not name:
                continue
            self.given, entry.name = name, posixpath.join(self._place, name)
            self.placed = entry.name
            if entry.kind == "hardlink":
                entry.link = posixpath.join(self._place, clean_name(entry.link, "hard link target"))
            yield entry


def _failure(inside: Inside, path: str, action: str, error: OSError) -> Exception:
    if isinstance(error, FileNotFoundError):
        return NotFound(f"Could not find the file {path} in container {inside.container}")
    return from_oserror(f"{action} {path}", error)
