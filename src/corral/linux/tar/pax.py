"""PAX records: `LENGTH KEY=VALUE\\n` lines before a header, for what the header cannot say. Pure."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Iterable

from corral.linux.tar.entry import BadTar

_XATTR, _LIBARCHIVE = "SCHILY.xattr.", "LIBARCHIVE.xattr."


def parse_records(data: bytes) -> list[tuple[str, bytes]]:
    """The records in order (GNU's sparse 0.0 repeats its keys). BadTar if a length does not add up.

    >>> parse_records(b"19 path=some/where\\n12 size=123\\n")
    [('path', b'some/where'), ('size', b'123')]
    """
    records = []
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 21)
        digits = data[at:space] if space > 0 else b""
        end = at + int(digits) if digits.isdigit() else 0
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end <= space + 1 or end > len(data) or data[end - 1 : end] != b"\n" or not equals or not key:
            raise BadTar("archive/tar: invalid tar header: damaged PAX record")
        records.append((key.decode("utf-8", "surrogateescape"), value))
        at = end
    return records


def build_records(records: Iterable[tuple[str, bytes]]) -> bytes:
    """The inverse of `parse_records`; the length counts its own digits.

    >>> build_records([("path", b"some/where")])
    b'19 path=some/where\\n'
    """
    out = bytearray()
    for key, value in records:
        body = b" %s=%s\n" % (key.encode("utf-8", "surrogateescape"), value)
        size = len(body)
        length = size + len(str(size))
        length = size + len(str(length))
        out += b"%d" % length + body
    return bytes(out)


def parse_time(value: bytes) -> int:
    """A decimal number of seconds in nanoseconds.

    >>> parse_time(b"1700000000.5"), parse_time(b"-1.5")
    (1700000000500000000, -1500000000)
    """
    whole, _, fraction = value.partition(b".")
    negative = whole.startswith(b"-")
    whole = whole[negative:]
    if not whole.isdigit() or (fraction and not fraction.isdigit()) or len(whole) > 18:
        raise BadTar("archive/tar: invalid tar header: not a time")
    nanoseconds = int(whole) * 10**9 + int(fraction[:9].ljust(9, b"0"))
    return -nanoseconds if negative else nanoseconds


def parse_count(value: bytes) -> int:
    """A decimal number that is not negative."""
    if not value.isdigit() or len(value) > 19:
        raise BadTar("archive/tar: invalid tar header: not a number in a PAX record")
    return int(value)


def xattrs_of(records: Iterable[tuple[str, bytes]]) -> dict[str, bytes]:
    """The extended attributes among the records, in Schily's or libarchive's way.

    >>> xattrs_of([("SCHILY.xattr.user.a", b"1"), ("LIBARCHIVE.xattr.user.b%20c", b"Mg=="), ("size", b"3")])
    {'user.a': b'1', 'user.b c': b'2'}
    """
    found = {}
    for key, value in records:
        if key.startswith(_XATTR):
            found[key.removeprefix(_XATTR)] = value
        elif key.startswith(_LIBARCHIVE):
            name = urllib.parse.unquote(key.removeprefix(_LIBARCHIVE), errors="surrogateescape")
            try:
                found.setdefault(name, base64.b64decode(value + b"=" * (-len(value) % 4)))
            except ValueError:
                raise BadTar("archive/tar: invalid tar header: damaged extended attribute") from None
    return found
