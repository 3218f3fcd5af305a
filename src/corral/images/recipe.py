"""Recipe: how to make a layer's tar again, bit for bit, out of its unpacked files.

A layer is kept unpacked only; storing the tar as well would double the disk. The recipe holds what the files do not:
headers, padding, whiteouts, in order, compressed; between them stand the names of the files whose content goes
there. Frames: `R` length bytes (raw), `F` length path, offset, size (from a file).

A file that a later entry of the same tar replaced is moved to `spare/N`, so that its content is not lost; `moves`
remembers after which frame.
"""

from __future__ import annotations

import json
import os
import stat
import struct
import zlib
from bisect import bisect_left
from collections.abc import Iterator
from typing import BinaryIO

from corral.errors import HostError, from_oserror
from corral.linux.rooted import open_in_root
from corral.linux.tar.entry import Entry
from corral.linux.tree import remove_at

_RAW = struct.Struct("<cI")
_FILE = struct.Struct("<cIQQ")
_BUFFER = 1 << 16
_PIECE = 1 << 20


class RecipeWriter:
    """Takes notes while a layer is unpacked into `place`/diff. Close it, then call `finish`."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._file = open(f"{place}/recipe", "xb")
        self._deflate = zlib.compressobj(1)
        self._pending: list[bytes] = []
        self._size = 0
        self._frames = 0
        self._moves: list[tuple[int, str, int]] = []

    def raw(self, data: bytes) -> None:
        self._pending.append(data)
        self._size += len(data)
        if self._size >= _BUFFER:
            self._flush()

    def written(self, path: str, entry: Entry) -> None:
        """A regular file was unpacked: its content belongs here."""
        pieces = entry.sparse if entry.sparse is not None else [(0, entry.size)]
        self._flush()
        name = os.fsencode(path)
        for offset, size in pieces:
            if size:
                self._put(_FILE.pack(b"F", len(name), offset, size) + name)

    def displace(self, parent: int, name: str, path: str) -> None:
        """Something of this layer is replaced by a later entry: keeps it if it, or something in it, has content."""
        mode = os.lstat(name, dir_fd=parent).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            remove_at(parent, name)
            return
        self._flush()
        os.makedirs(f"{self._place}/spare", exist_ok=True)
        os.rename(name, f"{self._place}/spare/{len(self._moves)}", src_dir_fd=parent)
        self._moves.append((self._frames, path, len(self._moves)))

    def finish(self) -> None:
        self._flush()
        self._file.write(self._deflate.flush())
        self._file.close()
        if self._moves:
            with open(f"{self._place}/moves", "x", encoding="ascii") as file:
                json.dump(self._moves, file)

    def close(self) -> None:
        self._file.close()

    def _flush(self) -> None:
        if self._pending:
            data = b"".join(self._pending)
            self._pending, self._size = [], 0
            self._put(_RAW.pack(b"R", len(data)) + data)

    def _put(self, frame: bytes) -> None:
        self._frames += 1
        out = self._deflate.compress(frame)
        if out:
            self._file.write(out)


class Moves:
    """Where a file's content is now. Pure.

    >>> moves = Moves([(5, "a", 0), (9, "a/b", 1)])
    >>> moves.place(3, "a/b"), moves.place(7, "a/b"), moves.place(9, "a/b"), moves.place(1, "c")
    ('spare/0/b', 'spare/1', 'diff/a/b', 'diff/c')
    """

    def __init__(self, moves: list[tuple[int, str, int]]) -> None:
        self._by_path: dict[str, list[tuple[int, int]]] = {}
        for frame, path, number in moves:
            self._by_path.setdefault(path, []).append((frame, number))

    def place(self, frame: int, path: str) -> str:
        """`frame` is the file's own number: the first later move of it, or of a directory above it, counts."""
        best: tuple[int, int, str] | None = None
        above = path
        while above and self._by_path:
            moves = self._by_path.get(above, [])
            at = bisect_left(moves, (frame + 1, -1))
            if at < len(moves) and (best is None or moves[at][0] < best[0]):
                best = (*moves[at], path[len(above) :])
            above = above.rpartition("/")[0]
        return f"spare/{best[1]}{best[2]}" if best else f"diff/{path}"


def replay(place: str) -> Iterator[bytes]:
    """The layer's tar. HostError if a file is missing or too short; the caller compares the digest. Blocking."""
    try:
        with open(f"{place}/moves", encoding="ascii") as file:
            moves = Moves([(m[0], m[1], m[2]) for m in json.load(file)])
    except FileNotFoundError:
        moves = Moves([])
    root = os.open(place, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for frame, (data, path, offset, size) in enumerate(_frames(f"{place}/recipe")):
            if path is None:
                yield data
            else:
                yield from _content(root, moves.place(frame, path), offset, size)
    except OSError as error:
        raise from_oserror(f"read the layer in {place}", error) from error
    finally:
        os.close(root)


def _frames(path: str) -> Iterator[tuple[bytes, str | None, int, int]]:
    with open(path, "rb") as file:
        source = _Inflated(file)
        while kind := source.take(1):
            if kind == b"R":
                (length,) = struct.unpack("<I", source.take(4))
                yield source.take(length), None, 0, 0
            else:
                length, offset, size = struct.unpack("<IQQ", source.take(20))
                yield b"", os.fsdecode(source.take(length)), offset, size


class _Inflated:
    """Exact reads from a deflated file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._inflate = zlib.decompressobj()
        self._data = b""
        self._at = 0

    def take(self, count: int) -> bytes:
        """`count` bytes; b"" at the end."""
        while len(self._data) - self._at < count:
            chunk = self._inflate.unconsumed_tail or self._file.read(_BUFFER)
            if not chunk:
                break
            self._data = self._data[self._at :] + self._inflate.decompress(chunk, max(_PIECE, count))
            self._at = 0
        out = self._data[self._at : self._at + count]
        self._at += len(out)
        return out


def _content(root: int, path: str, offset: int, size: int) -> Iterator[bytes]:
    fd = open_in_root(root, path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        while size:
            data = os.pread(fd, min(size, _PIECE), offset)
            if not data:
                raise HostError(f"the layer's file {path!r} is shorter than it was")
            yield data
            offset, size = offset + len(data), size - len(data)
    finally:
        os.close(fd)
