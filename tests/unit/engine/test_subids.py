"""Subordinate ids: the files, whose ranges are meant, and a free range. In dockerd's words."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.engine.subids import SIZE, Range, User, parse_ranges, plan_free_range, plan_map, plan_maps, plan_user
from corral.errors import InvalidInput

USERS = {"ann": User("ann", 1000), 1000: User("ann", 1000), "root": User("root", 0)}
GROUPS = {"ann": "ann", 1000: "ann", "root": "root", "staff": "staff", 50: "staff"}


@pytest.mark.parametrize("line", ["ann:1", "ann:x:1", "ann:1:-2", "ann:1:2:3"])
def test_a_line_that_is_none(line: str) -> None:
    with pytest.raises(InvalidInput, match="Format not correct for /etc/subuid file"):
        parse_ranges(line, "/etc/subuid")


@pytest.mark.parametrize("wanted", ["ann", "ann:staff", "ann:50", "1000", "1000:50"])
def test_whose_ranges(wanted: str) -> None:
    assert plan_user(wanted, USERS.get, GROUPS.get) == User("ann", 1000)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("a:b:c", 'Invalid user/group specification in --userns-remap: "a:b:c"'),
        ("eve", 'Error during uid lookup for "eve"'),
        ("7", "Uid 7 has no entry in /etc/passwd"),
        ("ann:none", 'Error during groupname lookup for "none"'),
        ("ann:7", "Gid 7 has no entry in /etc/group"),
    ],
)
def test_nobody_s(wanted: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=re.escape(message)):
        plan_user(wanted, USERS.get, GROUPS.get)


def test_default_is_a_user_where_there_is_one() -> None:
    assert plan_user("default", USERS.get, GROUPS.get) is None
    found = plan_user("default", {"dockremap": User("dockremap", 5)}.get, {"dockremap": "dockremap"}.get)
    assert found == User("dockremap", 5)


def test_ranges_by_name_and_number_follow_each_other() -> None:
    ranges = [Range("ann", 100000, 10), Range("bob", 1, 1), Range("1000", 300000, 20)]
    maps = plan_maps("ann", 1000, ranges, ranges)
    assert [tuple(entry) for entry in maps.uids] == [(0, 100000, 10), (10, 300000, 20)]
    with pytest.raises(InvalidInput, match='no subgid ranges found for user "ann"'):
        plan_maps("ann", 1000, ranges, [])
    with pytest.raises(InvalidInput, match="the kernel takes 340"):
        plan_map([Range("ann", n, 1) for n in range(341)])


SPANS = st.lists(st.tuples(st.integers(0, 1 << 31), st.integers(1, 1 << 24)), max_size=20)


@given(SPANS, st.integers(0, 1 << 31), st.integers(0, 1 << 32))
def test_a_free_range_overlaps_nothing(taken: list[tuple[int, int]], remembered: int, seed: int) -> None:
    start = plan_free_range(taken, remembered, seed)
    assert all(start + SIZE <= other or other + size <= start for other, size in taken)
    assert plan_free_range(taken, start, seed + 1) == start


def test_no_range_is_free() -> None:
    with pytest.raises(InvalidInput, match="no 65536 ids are free"):
        plan_free_range([(0, 1 << 32)], 0, 0)
