"""Logs come out as the bytes that went in, wherever one begins to read and however the file was cut."""

from __future__ import annotations

import itertools
import os
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.logs import files, seek
from corral.logs.line import Joiner, Selection
from corral.model.process import LogEntry
from tests.support.log_monitor import START, record

_RECORDS = st.lists(
    st.tuples(
        st.binary(max_size=6).filter(lambda b: b"\n" not in b),
        st.sampled_from(["stdout", "stderr"]),
        st.sampled_from("PFFF"),
    ),
    max_size=30,
)


def _entries(data: bytes) -> list[LogEntry]:
    joiner = Joiner()
    return joiner.feed(data) + joiner.finish()


@given(_RECORDS, st.integers(1, 50))
def test_no_byte_is_lost_added_or_moved_to_the_other_stream(records: list[tuple[bytes, str, str]], size: int) -> None:
    data = b"".join(record(text, stream=stream, tag=tag) for text, stream, tag in records)
    joiner = Joiner()
    entries = [e for at in range(0, len(data), size) for e in joiner.feed(data[at : at + size])] + joiner.finish()
    for stream in ("stdout", "stderr"):
        wanted = b"".join(text + (b"\n" if tag == "F" else b"") for text, s, tag in records if s == stream)
        assert b"".join(e.data for e in entries if e.stream == stream) == wanted


@settings(deadline=None)
@given(_RECORDS, st.lists(st.integers(0, 30), max_size=3), st.integers(0, 32), st.sampled_from([16, 60, 100, 65536]))
def test_the_tail_is_the_end_of_the_whole(
    records: list[tuple[bytes, str, str]], cuts: list[int], lines: int, block: int
) -> None:
    """The last N of all lines, in whatever files the records are and however small the blocks that are read."""
    records = [(text or b"x", stream, tag) for text, stream, tag in records]
    encoded = [record(text, stream=stream, tag=tag, time=START + n) for n, (text, stream, tag) in enumerate(records)]
    bounds = [0, *sorted(min(cut, len(encoded)) for cut in cuts), len(encoded)]
    whole = _entries(b"".join(encoded))
    with tempfile.TemporaryDirectory() as place:
        opened = []
        for number, (start, end) in enumerate(itertools.pairwise(bounds)):
            path = os.path.join(place, str(number))
            with open(path, "wb") as file:
                file.write(b"".join(encoded[start:end]))
            opened.append(files.Opened(os.open(path, os.O_RDONLY), os.stat(path).st_size))
        old = seek.BLOCK
        seek.BLOCK = block
        try:
            found = seek.find_tail(opened, lines)
        finally:
            seek.BLOCK = old
        rest = b"".join(
            os.pread(file.fd, file.size, found.offset if index == found.file else 0)
            for index, file in enumerate(opened)
            if index >= found.file
        )
        for file in opened:
            os.close(file.fd)
    tail = Selection(stdout=True, stderr=True, skip=found.skip).take(_entries(rest))
    if not lines:
        assert tail == []
    elif not any(e.partial for e in whole):
        assert tail == whole[-lines:]
    else:  # lines without an end come last; whether they are met first depends on where they are
        assert all(entry in whole for entry in tail)
        assert len(tail) >= min(lines, len(whole))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 20_000), st.integers(-5, 20_005))
def test_a_time_is_found_by_halving(count: int, wanted: int) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(b"".join(record(b"%d" % n, time=START + n) for n in range(count)))
        file.flush()
        opened = files.Opened(file.fileno(), file.tell())
        offset = seek.find_time(opened, START + wanted)
        first = int(os.pread(opened.fd, 100, offset)[45:].split(b"\n")[0])
        assert first <= max(wanted, 0) or count <= wanted
        assert min(wanted, count) - first < 12_000  # two windows of records, not the whole file
