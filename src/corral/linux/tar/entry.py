"""Entry: one thing in an archive, whichever format it was written in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from corral.errors import InvalidInput

Kind = Literal["file", "dir", "symlink", "hardlink", "char", "block", "fifo"]


class BadTar(InvalidInput):
    """The archive is damaged, cut short, or breaks a limit. The message names the entry."""


@dataclass(slots=True)
class Entry:
    """`size` is the file's size (for a sparse file, with its holes); `stored` the bytes in the archive.

    Names are text; bytes that are no UTF-8 are kept as lone surrogates, as `os.fsdecode` does. `mtime` is in
    nanoseconds. `link` is the target of a symbolic or hard link. `sparse` lists (offset, length) of the data of
    a file with holes.
    """

    name: str
    kind: Kind = "file"
    size: int = 0
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    link: str = ""
    major: int = 0
    minor: int = 0
    xattrs: dict[str, bytes] = field(default_factory=dict)
    sparse: list[tuple[int, int]] | None = None
    stored: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one archive may hold; more raises BadTar. `total` counts the bytes of all files, with their holes."""

    entries: int = 8_000_000
    total: int = 1 << 42
    extended_header: int = 1 << 20
    name: int = 4095
