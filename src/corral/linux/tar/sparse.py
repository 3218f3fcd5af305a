"""Files with holes, in GNU tar's four ways. Pure.

The oldest keeps the map of the data in the header and in blocks after it; PAX 0.0 in repeated records, 0.1 in one
record, 1.0 as decimal lines at the start of the content.
"""

from __future__ import annotations

from collections.abc import Callable

from corral.linux.tar.entry import BadTar
from corral.linux.tar.headers import BLOCK, parse_number
from corral.linux.tar.pax import parse_count

Map = list[tuple[int, int]]
_MOST = 1_000_000  # pieces of a file
_PAIR = 2 * len("9223372036854775807\n")  # bytes of the longest


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


def block_map(first: bytes, following: Callable[[], bytes]) -> tuple[Map, int]:
    """The map of PAX 1.0 that begins in the block `first`, and its padded length. `following` gives the next block,
    once for each that is needed.

    >>> block_map(b"1\\n0\\n5\\n".ljust(512, b"\\0"), lambda: b"")
    ([(0, 5)], 512)
    """
    head, newline, _ = first.partition(b"\n")
    if not newline:
        raise BadTar("archive/tar: invalid tar header: damaged map of a sparse file")
    count = parse_count(head)
    if count > _MOST:
        raise BadTar("archive/tar: invalid tar header: map of a sparse file is too long")
    blocks, ends = [first], first.count(b"\n")
    while ends < 1 + 2 * count:
        if len(blocks) * BLOCK > _MOST * _PAIR:
            raise BadTar("archive/tar: invalid tar header: map of a sparse file is too long")
        blocks.append(following())
        ends += blocks[-1].count(b"\n")
    lines = b"".join(blocks).split(b"\n", 1 + 2 * count)
    return _pairs([parse_count(n) for n in lines[1:-1]]), len(blocks) * BLOCK


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
