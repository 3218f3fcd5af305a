from __future__ import annotations

import pytest

from corral.logs.line import Joiner, Selection, Times
from corral.model.process import LogEntry
from tests.support.log_monitor import START, record


def joined(data: bytes, limit: int = 16384) -> bytes:
    joiner = Joiner(limit)
    return b"".join(e.data for e in joiner.feed(data) + joiner.finish())


def test_parts_are_joined_each_stream_for_itself() -> None:
    data = (
        record(b"a", tag="P")
        + record(b"oops", stream="stderr", tag="P")
        + record(b"b", tag="P", time=START + 1)
        + record(b"c", time=START + 2)
        + record(b"!", stream="stderr", time=START + 3)
        + record(b"")
    )
    assert Joiner().feed(data) == [
        LogEntry("stdout", START + 2, b"abc\n"),
        LogEntry("stderr", START + 3, b"oops!\n"),
        LogEntry("stdout", START, b"\n"),
    ]


def test_data_may_come_in_any_pieces() -> None:
    data = record(b"one \xff\x00 two", tag="P") + record(b"three\r")
    for size in range(1, 20):
        joiner = Joiner()
        entries = [e for at in range(0, len(data), size) for e in joiner.feed(data[at : at + size])]
        assert [e.data for e in entries] == [b"one \xff\x00 twothree\r\n"]


def test_a_long_line_comes_in_parts_and_loses_no_byte() -> None:
    long = bytes(range(32, 127)) * 600
    data = b"".join(record(long[at : at + 8192], tag="P") for at in range(0, len(long), 8192)) + record(b"")
    entries = Joiner().feed(data)
    assert [e.partial for e in entries] == [True, True, True, False]
    assert all(len(e.data) <= 16385 for e in entries)
    assert b"".join(e.data for e in entries) == long + b"\n"


def test_the_end_of_the_log_tells_what_has_no_line_feed() -> None:
    joiner = Joiner()
    assert joiner.feed(record(b"login: ", tag="P") + record(b"x", stream="stderr", tag="P")) == []
    assert [(e.stream, e.data, e.partial) for e in joiner.finish()] == [
        ("stdout", b"login: ", True),
        ("stderr", b"x", True),
    ]
    assert joiner.finish() == []


def test_what_is_no_record_is_passed_over() -> None:
    good = record(b"good")
    for bad in (b"\n", b"\0" * 5000 + b"\n", b"2023-11-14T22:13:20.0 stdout F x\n", good[:44] + b"\n", b"x" + good):
        assert joined(good + bad + good) == b"good\ngood\n"
    assert joined(good + b"y" * (2 << 20)) == b"good\n"


def test_a_monitor_that_was_killed_while_it_wrote_leaves_a_torn_record() -> None:
    whole = record(b"hello")
    assert joined(whole + whole[:48]) == b"hello\nhel"
    assert joined(whole + whole[:30]) == b"hello\n"


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        (b"2023-11-14T22:13:20.000000000+00:00", START),
        (b"2023-11-14T23:43:20.999999999+01:30", START + 999_999_999),
        (b"2023-11-14T17:13:20.000000001-05:00", START + 1),
    ],
)
def test_times_know_their_zone(text: bytes, nanoseconds: int) -> None:
    assert Times().parse(text + b" stdout F x") == nanoseconds


@pytest.mark.parametrize(
    "text", [b"", b"2023", b"2023-11-14T22:13:20x000000000+00:00", b"2023-99-14T22:13:20.000000000+00:00"]
)
def test_what_is_no_time_is_an_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        Times().parse(text)


def entries(*times: int) -> list[LogEntry]:
    return [LogEntry("stdout" if t % 2 else "stderr", t, b"%d\n" % t) for t in times]


def test_since_holds_until_the_first_that_is_not_before_it_because_clocks_are_set_back() -> None:
    selection = Selection(stdout=True, stderr=True, since=5)
    assert selection.take(entries(3, 4)) == []
    assert selection.take(entries(5, 2, 7)) == entries(5, 2, 7)
    assert selection.take(entries(1)) == entries(1)


def test_until_ends_everything() -> None:
    selection = Selection(stdout=True, stderr=True, until=5)
    assert selection.take(entries(4, 5, 6, 1)) == entries(4, 5)
    assert selection.over


def test_streams_are_chosen_last() -> None:
    selection = Selection(stdout=True, stderr=False, since=4, until=9)
    assert selection.take(entries(1, 4, 3, 5)) == entries(3, 5)
    assert not selection.over


def test_whole_lines_are_skipped_with_their_parts() -> None:
    parts = [LogEntry("stdout", 1, b"a", True), LogEntry("stdout", 1, b"b\n"), LogEntry("stdout", 1, b"c\n")]
    selection = Selection(stdout=True, stderr=True, skip=1)
    assert selection.take(parts) == parts[2:]
    assert not selection.skipping
