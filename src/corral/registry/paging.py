"""Paging: a part of a sorted list, and where the next one begins. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from urllib.parse import urlencode

from corral.registry.faults import Fault


def parse_count(text: str | None) -> int | None:
    """The parameter `n`; None if it was not given.

    >>> parse_count("3"), parse_count(None)
    (3, None)
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Fault("UNSUPPORTED", f"invalid number of results requested: n={text!r}", {"n": text}, status=400)
    return int(text)


def plan_page(names: Sequence[str], count: int | None, last: str) -> tuple[Sequence[str], bool]:
    """(up to `count` of the sorted `names` behind `last`, whether more follow).

    >>> plan_page(["a", "b", "c"], 2, ""), plan_page(["a", "b", "c"], 2, "a"), plan_page(["a", "b"], 0, "")
    ((['a', 'b'], True), (['b', 'c'], False), ([], False))
    """
    start = bisect.bisect_right(names, last) if last else 0
    if count is None:
        return names[start:], False
    page = names[start : start + count]
    return page, bool(page) and start + count < len(names)


def next_link(path: str, **parameters: str | int) -> dict[str, str]:
    """The Link header (RFC 5988) of a page that is not the last.

    >>> next_link("/v2/_catalog", last="a/b", n=2)
    {'Link': '</v2/_catalog?last=a%2Fb&n=2>; rel="next"'}
    """
    return {"Link": f'<{path}?{urlencode(parameters)}>; rel="next"'}
