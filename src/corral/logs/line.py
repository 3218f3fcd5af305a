"""The lines of a log file, as the monitor writes them: Kubernetes' text format, one record a line.

A record is `2026-01-02T03:04:05.123456789+00:00 stdout F text`: the time has always 35 characters, the stream six,
the tag is F for a full line or P for a part of one (its line feed is the record's, not the container's).
"""

from __future__ import annotations

from typing import Literal

from corral.kit import clock
from corral.model.process import LogEntry

TIME = slice(0, 35)
STREAM = slice(36, 42)
TAG = slice(42, 45)
TEXT = 45

FULL = b" F "
PART = b" P "

MAX_LINE = 16384  # bytes; a longer line is told in parts, as Docker does
_MAX_RECORD = 1 << 20  # bytes without a line feed that are still taken for a record's beginning

Stream = Literal["stdout", "stderr"]
STREAMS: dict[bytes, Stream] = {b"stdout": "stdout", b"stderr": "stderr"}


class Times:
    """Parses record times; consecutive records mostly share the second, which is parsed once."""

    def __init__(self) -> None:
        self._second = b""
        self._base = 0

    def parse(self, record: bytes) -> int:
        """Nanoseconds since the epoch. ValueError if the record does not begin with a time.

        >>> Times().parse(b"2023-11-14T22:13:20.000000007+00:00 stdout F x")
        1700000000000000007
        """
        second = record[0:20] + record[29:35]
        if second != self._second:
            text = (record[0:19] + record[29:35]).decode("ascii")
            if record[19:20] != b"." or len(record) < 35:
                raise ValueError(f"not a time: {text!r}")
            self._base = clock.from_rfc3339(text)
            self._second = second
        fraction = record[20:29]
        if not fraction.isdigit():
            raise ValueError(f"not a time: {record[TIME]!r}")
        return self._base + int(fraction)


class Joiner:
    """Bytes of log files in, whole lines out: joins the parts of a line, each stream for itself.

    A line longer than `limit` bytes comes out in partial entries. An entry's time is its last record's. What is
    no record (a torn write, zeros after a power failure) is passed over. No I/O.

    >>> joiner = Joiner()
    >>> joiner.feed(b"2023-11-14T22:13:20.000000000+00:00 stdout P he\\n2023-11-14T22:13:20.00000")
    []
    >>> joiner.feed(b"0001+00:00 stdout F llo\\n")
    [LogEntry(stream='stdout', time=1700000000000000001, data=b'hello\\n', partial=False)]
    """

    def __init__(self, limit: int = MAX_LINE) -> None:
        self.limit = limit
        self._times = Times()
        self._rest = b""
        self._parts: dict[Stream, tuple[bytes, int]] = {}  # what waits for its end, and the last part's time

    def feed(self, data: bytes) -> list[LogEntry]:
        """The entries that `data` completes."""
        records = (self._rest + data).split(b"\n")
        self._rest = records.pop()
        if len(self._rest) > _MAX_RECORD:
            self._rest = b""
        entries: list[LogEntry] = []
        for record in records:
            self._take(record, entries)
        return entries

    def finish(self) -> list[LogEntry]:
        """The end of the log: what waits for its other parts comes out without a line feed."""
        entries: list[LogEntry] = []
        rest, self._rest = self._rest, b""
        if rest[TAG] in (FULL, PART):  # the monitor was killed while it wrote
            self._take(rest[:42] + PART + rest[TEXT:], entries)
        entries += [LogEntry(stream, time, data, True) for stream, (data, time) in self._parts.items() if data]
        self._parts = {}
        return entries

    def _take(self, record: bytes, entries: list[LogEntry]) -> None:
        stream, tag = STREAMS.get(record[STREAM]), record[TAG]
        if stream is None or (tag != FULL and tag != PART):
            return
        try:
            time = self._times.parse(record)
        except ValueError:
            return
        data = record[TEXT:]
        if waiting := self._parts.get(stream):
            data = waiting[0] + data
        if tag == FULL:
            data += b"\n"
        while len(data) > self.limit:
            entries.append(LogEntry(stream, time, data[: self.limit], True))
            data = data[self.limit :]
        if tag == FULL:
            self._parts.pop(stream, None)
            entries.append(LogEntry(stream, time, data))
        else:
            self._parts[stream] = data, time


class Selection:
    """Which entries a query wants, Docker's way: `since` holds only until the first entry that is not before it,
    `until` ends everything at the first entry after it. No I/O.
    """

    def __init__(self, *, stdout: bool, stderr: bool, since: int = 0, until: int = 0, skip: int = 0) -> None:
        self._streams = {name for name, wanted in (("stdout", stdout), ("stderr", stderr)) if wanted}
        self._since = since
        self._until = until
        self._skip = skip
        self.over = False

    @property
    def skipping(self) -> bool:
        return self._skip > 0

    def take(self, entries: list[LogEntry]) -> list[LogEntry]:
        """Those of `entries` that are wanted; after the last wanted one `over` is True."""
        first = 0
        while self._skip and first < len(entries):
            self._skip -= not entries[first].partial
            first += 1
        entries = entries[first:]
        if self._since and entries:
            entries = entries[next((i for i, e in enumerate(entries) if e.time >= self._since), len(entries)) :]
            self._since = 0 if entries else self._since
        if self._until:
            end = next((i for i, e in enumerate(entries) if e.time > self._until), len(entries))
            self.over = self.over or end < len(entries)
            entries = entries[:end]
        return entries if len(self._streams) == 2 else [e for e in entries if e.stream in self._streams]
