"""The writer: an entry's header bytes. The same entry always gives the same bytes.

A plain ustar header where it says everything, PAX records before it where it does not, as Go's writer does: no
user names, no access or change times.
"""

from __future__ import annotations

import os

from corral.linux.tar import pax
from corral.linux.tar.entry import Entry
from corral.linux.tar.headers import BLOCK, TYPES, ZEROS, build_header, fits

END = ZEROS * 2


def padding(size: int) -> bytes:
    """What fills the last block of a content of `size` bytes.

    >>> len(padding(500)), len(padding(512))
    (12, 0)
    """
    return ZEROS[: -size % BLOCK]


def entry_bytes(entry: Entry) -> bytes:
    """Pure: everything before the content. A directory's name gets its slash; `stored` must be the content's size.

    Times are written in whole seconds unless `mtime` says otherwise.
    """
    name = os.fsencode(entry.name)
    if entry.kind == "dir" and not name.endswith(b"/"):
        name += b"/"
    link = os.fsencode(entry.link)
    header = build_header(TYPES[entry.kind], name, entry, link)
    if fits(entry, name, link) and entry.mtime % 10**9 == 0:
        return header
    return _extended(_records(entry, name, link)) + header


def sparse_bytes(entry: Entry) -> bytes:
    """Pure: everything before the first piece of a file with holes, in the PAX format 1.0. Sets `stored`, the
    content's size: a table of the pieces, and these one after the other.

    >>> data = sparse_bytes(Entry("dir/disk", size=10**6, sparse=[(4096, 512), (10**6, 0)]))
    >>> len(data), data[-512:].rstrip(b"\\0")
    (2048, b'2\\n4096\\n512\\n1000000\\n0\\n')
    """
    pieces = entry.sparse or []
    numbers = [len(pieces), *(number for piece in pieces for number in piece)]
    table = b"".join(b"%d\n" % number for number in numbers)
    table += padding(len(table))
    entry.stored = len(table) + sum(length for _, length in pieces)
    name = os.fsencode(entry.name)
    records = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", name),
        ("GNU.sparse.realsize", b"%d" % entry.size),
        *(record for record in _records(entry, b"", b"") if record[0] != "path"),
    ]
    shown = b"GNUSparseFile.0/" + name.rpartition(b"/")[2]
    return _extended(records) + build_header(TYPES["file"], shown, entry, b"") + table


def _extended(records: list[tuple[str, bytes]]) -> bytes:
    """A header of its own for what the next one cannot say."""
    body = pax.build_records(sorted(records))
    about = Entry("PaxHeaders.0", stored=len(body), mode=0)
    return build_header(b"x", b"PaxHeaders.0", about, b"") + body + padding(len(body))


def _records(entry: Entry, name: bytes, link: bytes) -> list[tuple[str, bytes]]:
    """What the header cannot say."""
    found = [(f"SCHILY.xattr.{key}", value) for key, value in entry.xattrs.items()]
    if len(name) > 100 or not name.isascii():
        found.append(("path", name))
    if len(link) > 100 or not link.isascii():
        found.append(("linkpath", link))
    if entry.stored >= 1 << 33:
        found.append(("size", b"%d" % entry.stored))
    found += [(key, b"%d" % value) for key, value in (("uid", entry.uid), ("gid", entry.gid)) if value >= 1 << 21]
    seconds, rest = divmod(entry.mtime, 10**9)
    if rest or not 0 <= seconds < 1 << 33:
        found.append(("mtime", _decimal(entry.mtime)))
    return found


def _decimal(time: int) -> bytes:
    """Nanoseconds as decimal seconds.

    >>> _decimal(1_500_000_000), _decimal(-500_000_000), _decimal(-2_000_000_000)
    (b'1.5', b'-0.5', b'-2')
    """
    whole, rest = divmod(abs(time), 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{'-' if time < 0 else ''}{whole}{fraction}".encode()
