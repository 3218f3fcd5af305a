"""Where to begin reading: the last N lines are looked for from the end, a time by halving.

Both read a few blocks, however long the log is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from corral.logs.files import BLOCK, Opened, read
from corral.logs.line import FULL, PART, STREAM, STREAMS, TAG, Times

# The parts of a line lie close together: this many bytes are looked through for them before the wanted place.
WINDOW = 1 << 18


class Place(NamedTuple):
    """Begin with file number `file` (0 is the oldest) at `offset`, and pass over the first `skip` whole lines."""

    file: int
    offset: int
    skip: int = 0


class _Record(NamedTuple):
    file: int
    start: int
    end: int
    stream: bytes
    tag: bytes


def find_tail(files: Sequence[Opened], lines: int) -> Place:
    """Where the last `lines` lines begin. A line of many parts is one; one without its end counts.

    Parts of one stream may lie between lines of the other. So the search goes on beyond the wanted number until
    each stream that takes part shows the end of an earlier line, and counts the whole lines in between.
    """
    if lines <= 0:
        return Place(max(0, len(files) - 1), files[-1].size if files else 0)
    wanted, skip, beyond = 0, 0, 0
    begun: set[bytes] = set()  # streams whose last line was met
    unfinished: set[bytes] = set()  # streams whose earliest wanted line may have parts further up
    place = Place(0, 0)
    for record in _backwards(files):
        full, first = record.tag == FULL, record.stream not in begun
        begun.add(record.stream)
        beyond += record.end - record.start if wanted >= lines else 0
        if (full and wanted < lines) or (first and not full):
            wanted += 1
            unfinished.add(record.stream)
        elif full:
            unfinished.discard(record.stream)
            if not unfinished or beyond > WINDOW:
                return Place(record.file, record.end, skip)
            skip += 1
        place = Place(record.file, record.start, skip)
    return place


def _backwards(files: Sequence[Opened]) -> Iterator[_Record]:
    """All records, the last one first."""
    for index in reversed(range(len(files))):
        for start, end, line in _lines_backwards(files[index]):
            if line[STREAM] in STREAMS and line[TAG] in (FULL, PART):
                yield _Record(index, start, end, line[STREAM], line[TAG])


def _lines_backwards(file: Opened) -> Iterator[tuple[int, int, bytes]]:
    """(start, end, bytes without the line feed) of each line, the last one first."""
    at, rest = file.size, b""
    while at > 0:
        begin = max(0, at - BLOCK)
        data = read(file.fd, begin, at) + rest
        # The first line of a block has begun in the block before, unless that is the file's beginning.
        first = data.find(b"\n") + 1 if begin else 0
        if first or not begin:
            end = begin + len(data)
            for line in reversed(data[first:].split(b"\n")):
                start = end - len(line)
                if line:
                    yield start, min(end + 1, file.size), line
                end = start - 1
            data = data[:first]
        at, rest = begin, data


def find_time(file: Opened, since: int) -> int:
    """An offset of a record, at most a window before the first one that is not older than `since`.

    Trusts that times grow; a clock that was set back moves the result by no more than it was set.
    """
    low, high = 0, file.size
    times = Times()
    while high - low > BLOCK:
        middle = (low + high) // 2
        found = _first_record(file, middle, times)
        if found is None or found[1] >= since:
            high = middle
        else:
            low = middle
    start = max(0, low - WINDOW)
    found = _first_record(file, start, times) if start else (0, 0)
    return found[0] if found else 0


def _first_record(file: Opened, offset: int, times: Times) -> tuple[int, int] | None:
    """(offset, time) of the first record that begins after `offset`; None if there is none within a block."""
    data = read(file.fd, offset, file.size)
    at = data.find(b"\n") + 1
    while 0 < at < len(data):
        try:
            return offset + at, times.parse(data[at : at + 35])
        except ValueError:
            at = data.find(b"\n", at) + 1
    return None
