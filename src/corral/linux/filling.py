"""Filling: an archive's bytes become a file, with holes where it had them, or most likely had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

from corral.linux.tar.entry import Entry
from corral.linux.tar.reader import TarReader

HOLE: Final = 32768  # bytes of zeros that are worth a hole


def write_all(fd: int, data: memoryview | bytes) -> None:
    """write(2) until all is written."""
    written = os.write(fd, data)
    while written < len(data):
        data = memoryview(data)[written:]
        written = os.write(fd, data)


def write_dense(fd: int, entry: Entry, reader: TarReader) -> None:
    """All bytes; long runs of zeros become holes, as they most likely were before they went into an archive."""
    hole = False
    for piece in reader.content():
        for hole, part in runs(piece):
            if hole:
                os.lseek(fd, len(part), os.SEEK_CUR)
            else:
                write_all(fd, part)
    if hole:
        os.ftruncate(fd, entry.size)


def runs(piece: memoryview) -> Iterator[tuple[bool, memoryview]]:
    """A piece in parts that are (all zeros, or not); zeros that are few are not looked for. Pure.

    >>> [(zeros, len(part)) for zeros, part in runs(memoryview(b"a" + bytes(100_000)))]
    [(False, 32768), (True, 67233)]
    """
    start, before = 0, False
    for at in range(0, len(piece), HOLE):
        block = piece[at : at + HOLE]
        zeros = not block[0] and not block[-1] and len(piece) >= HOLE and not block.tobytes().strip(b"\0")
        if zeros != before and at:
            yield before, piece[start:at]
            start = at
        before = zeros
    yield before, piece[start:]


def write_sparse(fd: int, entry: Entry, reader: TarReader) -> None:
    """The stored pieces at their places; the rest stays holes."""
    os.ftruncate(fd, entry.size)
    pieces = iter(entry.sparse or ())
    offset = left = 0
    for data in reader.content():
        while data:
            if not left:
                offset, left = next((piece for piece in pieces if piece[1]), (0, 0))
            part = data[:left]
            os.lseek(fd, offset, os.SEEK_SET)
            write_all(fd, part)
            offset, left, data = offset + len(part), left - len(part), data[len(part) :]
