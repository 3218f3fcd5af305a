"""Spool: an image archive taken apart on disk. Its table of contents may come last, so everything waits here.

Only regular files are kept, under numbers of our own: no name from the archive ever becomes a path. Links between
them (older Dockers and skopeo link equal layers) are remembered as aliases. Anything else is refused.
"""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterable

from corral.errors import InvalidInput, NotFound, from_oserror
from corral.linux.archive import BadTar, Entry, Limits, TarReader, clean_name
from corral.linux.compression import decompressed
from corral.linux.filling import write_all
from corral.linux.streams import ReadAhead

_SMALL = 8 << 20  # no manifest or configuration is larger
_LINKS = 16


class Spool:
    """The files of one archive in the directory `root`, which it makes and the owner removes. NoSpace, HostError."""

    def __init__(self, root: str) -> None:
        try:
            os.mkdir(root, 0o700)
        except OSError as error:
            raise from_oserror(f"spool the archive in {root}", error) from error
        self._root = root
        self._files: dict[str, int] = {}
        self._aliases: dict[str, str] = {}

    def fill(self, chunks: Iterable[bytes], stop: Callable[[], None] | None = None) -> None:
        """Reads the whole archive, compressed or not. BadTar, InvalidInput, NoSpace, HostError. Blocking."""
        with ReadAhead(decompressed(chunks), stop) as plain:
            reader = TarReader(plain, limits=Limits(entries=100_000))
            for entry in reader:
                try:
                    self._take(entry, reader)
                except OSError as error:
                    raise from_oserror(f"spool {entry.name!r}", error) from error

    def _take(self, entry: Entry, reader: TarReader) -> None:
        name = clean_name(entry.name)
        if entry.kind == "dir":
            return
        if entry.kind in ("symlink", "hardlink"):
            above = posixpath.dirname(name) if entry.kind == "symlink" else ""
            self._aliases[name] = clean_name(posixpath.join(above, entry.link), "link target")
            return
        if entry.kind != "file" or entry.sparse is not None:
            raise InvalidInput(f"invalid archive: {entry.name!r} is a {entry.kind}, not a plain file")
        number = len(self._files)
        fd = os.open(f"{self._root}/{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            for piece in reader.content():
                write_all(fd, piece)
        finally:
            os.close(fd)
        self._aliases.pop(name, None)
        self._files[name] = number

    def path(self, name: str) -> str:
        """Where a file of the archive is. NotFound if the archive has none of that name."""
        here = clean_name(name)
        for _ in range(_LINKS):
            if here in self._files:
                return f"{self._root}/{self._files[here]}"
            if here not in self._aliases:
                break
            here = self._aliases[here]
        raise NotFound(f"invalid archive: does not contain a {name}")

    def has(self, name: str) -> bool:
        try:
            self.path(name)
        except NotFound:
            return False
        return True

    def read(self, name: str) -> bytes:
        """A small file."""
        with open(self.path(name), "rb") as file:
            data = file.read(_SMALL + 1)
        if len(data) > _SMALL:
            raise InvalidInput(f"invalid archive: {name} is too large")
        return data


__all__ = ["BadTar", "Spool"]
