"""A directory as a tar, made while it is sent. All belongs to root: a build's context has no owners.

Written out here because `tarfile` takes several times as long for each entry, and contexts have thousands.
"""

from __future__ import annotations

import os
import stat

from corral.cli.fail import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Skip = Callable[[str], tuple[bool, bool]]

BLOCK = 512
PIECE = 1 << 20  # bytes that are sent at once
KINDS = {stat.S_IFREG: b"0", stat.S_IFLNK: b"2", stat.S_IFCHR: b"3", stat.S_IFBLK: b"4", stat.S_IFDIR: b"5"}
KINDS[stat.S_IFIFO] = b"6"
OCTAL = 0o77777777777  # the largest size or time that a header's field holds


def header(name: bytes, info: os.stat_result, link: bytes = b"") -> bytes:
    """Pure: one entry's header, with a pax header before it for what its own fields cannot hold.

    >>> info = os.stat_result((0o100644, 0, 0, 1, 0, 0, 5, 0, 1_000_000_000, 0))
    >>> len(header(b"a", info)), len(header(b"a" * 101, info)), header(b"a", info)[156:157]
    (512, 1536, b'0')
    """
    kind = KINDS[stat.S_IFMT(info.st_mode)]
    size = info.st_size if kind == b"0" else 0
    more = {}
    if len(name) > 100:
        more[b"path"] = name
    if len(link) > 100:
        more[b"linkpath"] = link
    if size > OCTAL:
        more[b"size"] = b"%d" % size
    mtime = max(0, int(info.st_mtime))
    before = b""
    if more:
        body = b"".join(pax_record(key, value) for key, value in more.items())
        before = _fields(b"pax", 0o644, len(body), mtime, b"x", b"", 0) + padded(body)
    mode = stat.S_IMODE(info.st_mode)
    device = info.st_rdev if kind in b"34" else 0
    return before + _fields(name[:100], mode, min(size, OCTAL), min(mtime, OCTAL), kind, link[:100], device)


def _fields(name: bytes, mode: int, size: int, mtime: int, kind: bytes, link: bytes, device: int) -> bytes:
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, 0, 0, size, mtime)
    devices = b"%07o\0%07o\0" % (os.major(device), os.minor(device))
    block = bytearray(
        name.ljust(100, b"\0")
        + numbers
        + b" " * 8
        + kind
        + link.ljust(100, b"\0")
        + b"ustar\x0000"
        + bytes(64)
        + devices
    ).ljust(BLOCK, b"\0")
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax_record(key: bytes, value: bytes) -> bytes:
    """Pure: "LENGTH KEY=VALUE\\n", where the length counts itself.

    >>> pax_record(b"path", b"abc")
    b'12 path=abc\\n'
    """
    rest = b" " + key + b"=" + value + b"\n"
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return b"%d" % length + rest


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def pack(folder: str, skip: Skip | None = None) -> Iterator[bytes]:
    """The tar of all below a directory, in order. Raises Failure for what cannot be read."""
    buffer = bytearray()
    for name, path, info in walk(folder, "", skip):
        kind = stat.S_IFMT(info.st_mode)
        if kind not in KINDS:
            continue  # a socket is no file that could be copied
        shown = os.fsencode(name) + (b"/" if kind == stat.S_IFDIR else b"")
        try:
            link = os.fsencode(os.readlink(path)) if kind == stat.S_IFLNK else b""
            buffer += header(shown, info, link)
            if kind == stat.S_IFREG and info.st_size:
                yield from _content(path, info.st_size, buffer)
        except OSError as error:
            raise Failure(f"unable to prepare context: {path}: {(error.strerror or '').lower()}", 1) from None
        if len(buffer) >= PIECE:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer) + bytes(2 * BLOCK)


def _content(path: str, size: int, buffer: bytearray) -> Iterator[bytes]:
    """A file's bytes go into the buffer, which is given out as often as it is full."""
    left = size
    with open(path, "rb", buffering=0) as file:
        while left:
            data = file.read(min(left, PIECE))
            if not data:
                raise Failure(f"unable to prepare context: {path} became shorter while it was read", 1)
            left -= len(data)
            buffer += data
            if len(buffer) >= PIECE:
                yield bytes(buffer)
                buffer.clear()
    buffer += bytes(-size % BLOCK)


def walk(folder: str, below: str, skip: Skip | None) -> Iterator[tuple[str, str, os.stat_result]]:
    """(name, path, status) of everything, parents first. `skip` says of a name whether it is left out, and whether
    all below it is too."""
    try:
        with os.scandir(os.path.join(folder, below) if below else folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            name = f"{below}/{entry.name}" if below else entry.name
            out, closed = skip(name) if skip else (False, False)
            if not out:
                yield name, entry.path, entry.stat(follow_symlinks=False)
            if not closed and entry.is_dir(follow_symlinks=False):
                yield from walk(folder, name, skip)
    except OSError as error:
        what = error.filename or folder
        raise Failure(f"unable to prepare context: {what}: {(error.strerror or '').lower()}", 1) from None
