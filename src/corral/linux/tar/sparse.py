"""Files with holes, in GNU tar's four ways. Pure.

The oldest keeps the map of the data in the header and in blocks after it; PAX 0.0 in repeated records, 0.1 in one
record, 1.0 as decimal lines at the start of the content.
"""

from __future__ import annotations

from corral.linux.tar.entry import BadTar
from corral.linux.tar.headers import BLOCK, parse_number
from corral.linux.tar.pax import parse_count

Map = list[tuple[int, int]]


def old_map(block: bytes, start: int, count: int) -> Map:
    """`count` pairs of 12-byte numbers from `start`; an empty offset ends them."""
    pairs = []
    for at in range(start, start + count * 24, 24):
        if not block[at] or not block[at + 12]:
            break
        pairs.append((parse_number(block[at : at + 12]), parse_number(block[at + 12 : at + 24])))
    return pairs


def record_map(records: list[tuple[str, bytes]]) -> Map | None:
    """The map of PAX 0.0 or 0.1; None if the records have none.

    >>> record_map([("GNU.sparse.map", b"0,5,100,7")])
    [(0, 5), (100, 7)]
    >>> record_map([("GNU.sparse.offset", b"3"), ("GNU.sparse.numbytes", b"4")])
    [(3, 4)]
    """
    numbers = [n for key, n in records if key in ("GNU.sparse.offset", "GNU.sparse.numbytes")]
    for key, value in records:
        if key == "GNU.sparse.map":
            numbers = value.split(b",") if value else []
            break
    else:
        if not numbers:
            return None
    return _pairs([parse_count(n) for n in numbers])


def block_map(data: bytes) -> tuple[Map, int] | None:
    """The map of PAX 1.0 at the start of `data` and its padded length; None if more bytes are needed.

    >>> block_map(b"1\\n0\\n5\\n".ljust(512, b"\\0"))
    ([(0, 5)], 512)
    """
    head, newline, rest = data.partition(b"\n")
    if not newline:
        if len(data) >= BLOCK:
            raise BadTar("archive/tar: invalid tar header: damaged map of a sparse file")
        return None
    count = parse_count(head)
    if count > 1_000_000:
        raise BadTar("archive/tar: invalid tar header: map of a sparse file is too long")
    lines = rest.split(b"\n", 2 * count)
    if len(lines) <= 2 * count:
        return None
    used = len(data) - len(lines[-1])
    return _pairs([parse_count(n) for n in lines[:-1]]), -(-used // BLOCK) * BLOCK


def _pairs(numbers: list[int]) -> Map:
    if len(numbers) % 2:
        raise BadTar("archive/tar: invalid tar header: damaged map of a sparse file")
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def check_map(pairs: Map, size: int, stored: int) -> None:
    """BadTar unless the pieces are in order, inside the file, and as long as what is stored."""
    end = 0
    for offset, length in pairs:
        if offset < end or length < 0 or offset + length > size:
            raise BadTar("archive/tar: invalid tar header: damaged map of a sparse file")
        end = offset + length
    if sum(length for _, length in pairs) != stored:
        raise BadTar("archive/tar: invalid tar header: a sparse file's pieces do not add up")
