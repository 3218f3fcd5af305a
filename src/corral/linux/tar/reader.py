"""The reader: entries out of a stream of chunks, strictly. Blocking; run it in a thread.

Damage in the middle is an error, never an early end. After the two empty blocks the rest of the stream is read too
(its digest counts), but not interpreted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from corral.linux.tar import pax, sparse
from corral.linux.tar.entry import BadTar, Entry, Kind, Limits
from corral.linux.tar.headers import BLOCK, ZEROS, Header, parse_header, parse_number

_KINDS: dict[bytes, Kind] = {
    b"0": "file", b"\0": "file", b"7": "file", b"S": "file", b"1": "hardlink", b"2": "symlink",
    b"3": "char", b"4": "block", b"5": "dir", b"6": "fifo",
}  # fmt: skip
_LONG = 1 << 16  # no name in GNU's way is longer


def _ignore(_: bytes) -> None:
    pass


class TarReader:
    """Iterate it for the entries; between two of them read the current one's content with `content()`.

    What is not read is skipped. `raw` is told every byte that `content()` did not give out, in order: headers,
    padding, skipped contents, the end. Contents and raw bytes together are the archive, bit for bit.
    """

    def __init__(
        self, chunks: Iterable[bytes], *, raw: Callable[[bytes], object] = _ignore, limits: Limits | None = None
    ) -> None:
        self._chunks = iter(chunks)
        self._raw = raw
        self._limits = limits or Limits()
        self._data = b""
        self._at = 0
        self._left = 0  # of the current entry's content
        self._padding = 0
        self._name = ""  # of the entry before, for messages

    def __iter__(self) -> Iterator[Entry]:
        entries = total = 0
        while (entry := self._next()) is not None:
            entries += 1
            total += entry.size
            self._name = entry.name
            if entries > self._limits.entries:
                raise BadTar(f"archive holds more than {self._limits.entries} entries (at {entry.name!r})")
            if total > self._limits.total:
                raise BadTar(f"archive unpacks to more than {self._limits.total} bytes (at {entry.name!r})")
            yield entry
            self._skip()
        self._drain()

    def content(self) -> Iterator[memoryview]:
        """The bytes of the current entry as they are stored, in pieces. Read all or nothing."""
        while self._left:
            if self._at == len(self._data):
                self._more()
            piece = memoryview(self._data)[self._at : self._at + self._left]
            self._at += len(piece)
            self._left -= len(piece)
            yield piece

    # The entry: a header, and what came before it to complete it.

    def _next(self) -> Entry | None:
        long_name = long_link = b""
        records: list[tuple[str, bytes]] = []
        while (block := self._header_block()) is not None:
            header = self._parse(block)
            if header.type == b"L":
                long_name = self._extension(header, _LONG).split(b"\0", 1)[0]
            elif header.type == b"K":
                long_link = self._extension(header, _LONG).split(b"\0", 1)[0]
            elif header.type == b"x":
                records = self._records(header)
            elif header.type == b"g":
                self._extension(header, self._limits.extended_header)  # global records: nothing here depends on them
            else:
                return self._entry(block, header, long_name, long_link, records)
        if long_name or long_link or records:
            raise self._short()
        return None

    def _header_block(self) -> bytes | None:
        """The next header's bytes; None at the end: two empty blocks, or one, or nothing more."""
        block = self._take(BLOCK, end_allowed=True)
        if not block:
            return None
        if block != ZEROS:
            return block
        second = self._take(BLOCK, end_allowed=True)
        if second and second != ZEROS:
            raise BadTar(f"archive/tar: invalid tar header{self._after()}")
        return None

    def _parse(self, block: bytes) -> Header:
        try:
            return parse_header(block)
        except BadTar as error:
            raise BadTar(error.message + self._after()) from None

    def _extension(self, header: Header, limit: int) -> bytes:
        if header.size > limit:
            raise BadTar(f"archive/tar: extended header of {header.size} bytes is too long{self._after()}")
        data = self._take(header.size)
        self._take(-header.size % BLOCK)
        return data

    def _records(self, header: Header) -> list[tuple[str, bytes]]:
        try:
            return pax.parse_records(self._extension(header, self._limits.extended_header))
        except BadTar as error:
            raise BadTar(error.message + self._after()) from None

    def _entry(self, block: bytes, head: Header, name: bytes, link: bytes, records: list[tuple[str, bytes]]) -> Entry:
        name = name or head.name
        kind = _KINDS.get(head.type)
        if kind is None:
            raise BadTar(f"archive/tar: entry {_text(name)!r} has the unhandled type {_text(head.type)!r}")
        entry = Entry(
            _text(name), kind, head.size, head.mode & 0o7777, head.uid, head.gid, head.mtime * 10**9,
            _text(link or head.link), head.major, head.minor,
        )  # fmt: skip
        try:
            if records:
                _apply(entry, records)
            if head.type == b"\0" and entry.name.endswith("/"):
                entry.kind = "dir"  # as the oldest tars wrote directories
            self._begin(entry, block, head.type, records)
        except BadTar as error:
            raise BadTar(f"{error.message} (entry {entry.name!r})") from None
        if not 0 < len(name) <= self._limits.name or len(entry.name) > self._limits.name:
            raise BadTar(f"archive/tar: entry name {entry.name[:100]!r}… is empty or too long{self._after()}")
        return entry

    def _begin(self, entry: Entry, block: bytes, letter: bytes, records: list[tuple[str, bytes]]) -> None:
        """Finds out how much content follows, and reads the map of a file with holes."""
        if entry.kind != "file":  # the others' sizes mean nothing
            entry.size = entry.stored = self._left = self._padding = 0
            return
        entry.stored = entry.size
        self._left, self._padding = entry.stored, -entry.stored % BLOCK
        if letter == b"S":
            entry.size, entry.sparse = self._old_sparse(block)
        elif any(key.startswith("GNU.sparse.") for key, _ in records):
            self._pax_sparse(entry, records)
        if entry.sparse is not None:
            sparse.check_map(entry.sparse, entry.size, entry.stored)

    def _old_sparse(self, block: bytes) -> tuple[int, sparse.Map]:
        pairs = sparse.old_map(block, 386, 4)
        size = parse_number(block[483:495])
        more = block[482]
        while more:
            block = self._take(BLOCK)
            pairs += sparse.old_map(block, 0, 21)
            more = block[504]
            if len(pairs) > 1_000_000:
                raise BadTar("archive/tar: map of a sparse file is too long")
        return size, pairs

    def _pax_sparse(self, entry: Entry, records: list[tuple[str, bytes]]) -> None:
        values = dict(records)
        if "GNU.sparse.name" in values:
            entry.name = _text(values["GNU.sparse.name"])
        real = values.get("GNU.sparse.realsize", values.get("GNU.sparse.size"))
        pairs = sparse.record_map(records)
        if values.get("GNU.sparse.major") == b"1":
            pairs, used = sparse.block_map(self._map_block(), self._map_block)
            entry.stored -= used
        if real is not None and pairs is not None:
            entry.size, entry.sparse = pax.parse_count(real), pairs

    def _map_block(self) -> bytes:
        """A block of the map of a file with holes, which stands before the file's content."""
        if self._left < BLOCK:
            raise BadTar("archive/tar: invalid tar header: damaged map of a sparse file")
        self._left -= BLOCK
        return self._take(BLOCK)

    # The bytes.

    def _more(self) -> None:
        """The next chunk. BadTar if there is none."""
        self._data, self._at = next(self._chunks, b""), 0
        if not self._data:
            raise self._short()

    def _take(self, count: int, *, end_allowed: bool = False) -> bytes:
        """Exactly `count` bytes, told to `raw`; b"" at a clean end if that is allowed."""
        end = self._at + count
        data = self._data[self._at : end]
        self._at = min(end, len(self._data))
        while len(data) < count:
            chunk = next(self._chunks, b"")
            if not chunk:
                if end_allowed and not data:
                    return b""
                raise self._short()
            self._data, self._at = chunk, min(count - len(data), len(chunk))
            data += chunk[: self._at]
        if data:
            self._raw(data)
        return data

    def _skip(self) -> None:
        for piece in self.content():
            self._raw(bytes(piece))
        if self._padding:  # some writers end with the last file's last byte
            self._take(self._padding, end_allowed=True)
            self._padding = 0

    def _drain(self) -> None:
        if self._at < len(self._data):
            self._raw(self._data[self._at :])
        for chunk in self._chunks:
            self._raw(chunk)

    def _after(self) -> str:
        return f" (after {self._name!r})" if self._name else ""

    def _short(self) -> BadTar:
        return BadTar(f"unexpected EOF{f' (in or after {self._name!r})' if self._name else ''}")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _apply(entry: Entry, records: list[tuple[str, bytes]]) -> None:
    """Lets PAX records overrule the header. An empty value takes the header's."""
    for key, value in records:
        if not value:
            continue
        if key == "path":
            entry.name = _text(value)
        elif key == "linkpath":
            entry.link = _text(value)
        elif key == "size":
            entry.size = pax.parse_count(value)
        elif key == "uid":
            entry.uid = pax.parse_count(value)
        elif key == "gid":
            entry.gid = pax.parse_count(value)
        elif key == "mtime":
            entry.mtime = pax.parse_time(value)
    entry.xattrs = pax.xattrs_of(records)
