"""The 512 bytes of a tar header: parse and build. Pure.

::

    0 name 100 | mode 8 | uid 8 | gid 8 | size 12 | mtime 12 | checksum 8 | type 1 | link 100
    257 magic 6 | version 2 | user 32 | group 32 | major 8 | minor 8 | prefix 155

Numbers are octal text; GNU writes large ones in base 256 with the first bit set.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import NamedTuple

from corral.linux.tar.entry import BadTar, Entry

BLOCK = 512
ZEROS = bytes(BLOCK)
_LAYOUT = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
TYPES = {"file": b"0", "hardlink": b"1", "symlink": b"2", "char": b"3", "block": b"4", "dir": b"5", "fifo": b"6"}


class Header(NamedTuple):
    """One header as it stands in the archive. `type` is its letter."""

    name: bytes
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    type: bytes
    link: bytes
    major: int
    minor: int


@lru_cache(maxsize=4096)  # modes, owners and times are the same in most headers of an archive
def parse_number(field: bytes) -> int:
    """An octal or base-256 number; empty is 0. BadTar if it is neither.

    >>> parse_number(b"0000644\\0"), parse_number(b"\\x80\\0\\0\\0\\0\\0\\0\\x08"), parse_number(b"       \\0")
    (420, 8, 0)
    """
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
        # With the second bit set too it is a negative number in two's complement.
        return value if not field[0] & 0x40 else value - (1 << 8 * len(field) - 1)
    digits = field.split(b"\0", 1)[0].strip(b" ")
    if not digits:
        return 0
    negative = digits.startswith(b"-")  # some writers' times before 1970
    if not digits[negative:].isdigit():
        raise BadTar("archive/tar: invalid tar header: not a number")
    try:
        return int(digits, 8)
    except ValueError:
        raise BadTar("archive/tar: invalid tar header: not an octal number") from None


def checksum(block: bytes) -> int:
    """The sum of all bytes, the checksum's own field counted as spaces."""
    return sum(block) - sum(block[148:156]) + 8 * 32


def _signed_checksum(block: bytes) -> int:
    """As some old tars computed it, with signed bytes."""
    field = block[148:156]
    return checksum(block) - 256 * (sum(b > 127 for b in block) - sum(b > 127 for b in field))


def parse_header(block: bytes) -> Header:
    """Pure: a block of 512 bytes, not all zero. BadTar if its checksum or a number is wrong."""
    name, mode, uid, gid, size, mtime, check, kind, link, magic, _, _, major, minor, prefix = _LAYOUT.unpack(block)
    wanted = parse_number(check)
    if wanted != checksum(block) and wanted != _signed_checksum(block):
        raise BadTar("archive/tar: invalid tar header")
    name = name.split(b"\0", 1)[0]
    device = magic[:5] == b"ustar"
    if magic == b"ustar\x0000" and prefix[0] and (start := prefix.split(b"\0", 1)[0]):
        name = start + b"/" + name
    length = parse_number(size)
    if length < 0:
        raise BadTar("archive/tar: invalid tar header: negative size")
    return Header(
        name,
        parse_number(mode),
        parse_number(uid),
        parse_number(gid),
        length,
        parse_number(mtime),
        kind,
        link.split(b"\0", 1)[0],
        parse_number(major) if device else 0,
        parse_number(minor) if device else 0,
    )


def fits(entry: Entry, name: bytes, link: bytes) -> bool:
    """Pure: can a plain ustar header say all of it, so that no PAX records are needed? Names must be ASCII."""
    return (
        len(name) <= 100
        and len(link) <= 100
        and name.isascii()
        and link.isascii()
        and entry.stored < 1 << 33
        and entry.uid < 1 << 21
        and entry.gid < 1 << 21
        and 0 <= entry.mtime // 10**9 < 1 << 33
        and not entry.xattrs
    )


def build_header(kind: bytes, name: bytes, entry: Entry, link: bytes) -> bytes:
    """Pure: a ustar header. What is too large for its field is cut or zero: the PAX records before it say it."""
    seconds = entry.mtime // 10**9
    device = (entry.major, entry.minor) if entry.kind in ("char", "block") else (0, 0)
    block = _LAYOUT.pack(
        name[:100],
        b"%07o\0" % (entry.mode & 0o7777),
        b"%07o\0" % (entry.uid if entry.uid < 1 << 21 else 0),
        b"%07o\0" % (entry.gid if entry.gid < 1 << 21 else 0),
        b"%011o\0" % (entry.stored if entry.stored < 1 << 33 else 0),
        b"%011o\0" % (seconds if 0 <= seconds < 1 << 33 else 0),
        b"        ",
        kind,
        link[:100],
        b"ustar\x0000",
        b"",
        b"",
        b"%07o\0" % device[0],
        b"%07o\0" % device[1],
        b"",
    )
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]
