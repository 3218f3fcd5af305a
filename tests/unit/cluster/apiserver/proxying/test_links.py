"""Links of pages behind a proxy."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.apiserver.proxying.links import LONGEST, Links

PREFIX = "/api/v1/namespaces/d/pods/web/proxy"
PIECES = ["<a href='/x'>", "<!-- ", "-->", "<script>", "</script>", "<", ">", "text", '"', "'", "<img src=/p ", " é"]


def changed(*pieces: bytes) -> bytes:
    links = Links(PREFIX, ["10.0.0.5:80"])
    return b"".join(map(links.feed, pieces)) + links.end()


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ('<a href="/x?q=1#f">', f'<a href="{PREFIX}/x?q=1#f">'),
        ("<A\n HREF = '/x' >", f"<A\n HREF = '{PREFIX}/x' >"),
        ("<img alt='>' src=/x>", f"<img alt='>' src={PREFIX}/x>"),
        ("<form action=http://10.0.0.5:80/x>", f"<form action={PREFIX}/x>"),
        ("<a href='/'>", f"<a href='{PREFIX}/'>"),
    ],
)
def test_those_of_the_pods_root(page: str, told: str) -> None:
    assert changed(page.encode()) == told.encode()


@pytest.mark.parametrize(
    "page",
    [
        "<a href=x>", "<a href='https://example.org/x'>", "<a href='//example.org/x'>", "<a href='http://[/x'>",
        f"<a href='{PREFIX}/x'>", "<a title='/x'>", "<p href='/x'>", "<!-- <a href='/x'> -->", "a < b, <",
        "<a href='/x",
        "<script>'<a href=\"/x\">'</script>", "<style><a href='/x'></style>", "<!DOCTYPE html>", "<a href>", "",
    ],
)  # fmt: skip
def test_all_others_stay(page: str) -> None:
    assert changed(page.encode()) == page.encode()


def test_after_a_comment_and_a_script() -> None:
    assert changed(b"<!-- ' --><script src='/s'>1 < 2</SCRIPT><a href='/x'>") == (
        f"<!-- ' --><script src='{PREFIX}/s'>1 < 2</SCRIPT><a href='{PREFIX}/x'>".encode()
    )


def test_a_tag_without_an_end_is_not_waited_for_for_ever() -> None:
    page = b"<a href='" + b"x" * (LONGEST + 10)
    links = Links(PREFIX, [])
    assert links.feed(page) == page


@given(st.lists(st.sampled_from(PIECES)), st.lists(st.integers(0, 200)))
def test_where_it_is_cut_says_nothing(pieces: list[str], cuts: list[int]) -> None:
    page = "".join(pieces).encode()
    places = [0, *sorted(min(cut, len(page)) for cut in cuts), len(page)]
    cut = [page[a:b] for a, b in pairwise(places)]
    assert changed(*cut) == changed(page)
