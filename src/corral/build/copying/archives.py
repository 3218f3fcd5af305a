"""Archives: what ADD unpacks: tar, plain or compressed with gzip, bzip2, xz or zstd."""

from __future__ import annotations

import os
import posixpath
import stat
from collections.abc import Callable, Iterator

from corral.errors import InvalidInput, Unsupported
from corral.linux.archive import BadTar, TarReader, Tree, UnpackOptions, extract
from corral.linux.compression import decompressed

_PIECE = 1 << 18
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def unpack(
    source: Tree, path: str, target: Tree, place: str, owner: tuple[int, int] | None,
    check: Callable[[], None] = lambda: None,
) -> None:  # fmt: skip
    """Unpacks the archive `path` into the directory `place`. Names and links of it stay inside `place`.

    Owners are the archive's, unless one is given. `check` is called for every piece that is read.
    """
    above, name = posixpath.split(path)
    fd = os.open(name, _FLAGS, dir_fd=source.directory(above))
    try:
        extract(decompressed(_pieces(fd, check)), target.directory(place), UnpackOptions(owner=owner))
    finally:
        os.close(fd)


def is_archive(source: Tree, path: str) -> bool:
    """Does it begin as an archive does? Reads no further than its first entry."""
    above, name = posixpath.split(path)
    try:
        fd = os.open(name, _FLAGS, dir_fd=source.directory(above))
    except OSError:  # a link that leads nowhere, a socket: copying says what is wrong, if something is
        return False
    try:
        return stat.S_ISREG(os.fstat(fd).st_mode) and begins_as_tar(_pieces(fd))
    finally:
        os.close(fd)


def begins_as_tar(pieces: Iterator[bytes]) -> bool:
    try:
        return next(iter(TarReader(decompressed(pieces))), None) is not None
    except Unsupported:
        raise  # it may well be one, but this host cannot look into it
    except (BadTar, InvalidInput):
        return False


def _pieces(fd: int, check: Callable[[], None] = lambda: None) -> Iterator[bytes]:
    while data := os.read(fd, _PIECE):
        check()
        yield data
