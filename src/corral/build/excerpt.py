"""Excerpt: the place in a Dockerfile that an error or a warning is about, as BuildKit prints it. Pure."""

from __future__ import annotations

from corral.build.ops import Span


def excerpt(name: str, text: str, span: Span | None) -> str:
    """The lines, marked, with a few around them; "" if the place is not in the text.

    >>> print(excerpt("Dockerfile", "FROM x\\nRUN false\\nRUN true", Span(2, 2)), end="")
    Dockerfile:2
    --------------------
       1 |     FROM x
       2 | >>> RUN false
       3 |     RUN true
    --------------------
    """
    lines = text.split("\n")
    if span is None or not 1 <= span.first <= len(lines):
        return ""
    last = min(max(span.first, span.last), len(lines))
    start, end = _widen(span.first, last, len(lines))
    rows = [f" {n:3d} | {'>>>' if span.first <= n <= last else '   '} {lines[n - 1]}\n" for n in range(start, end + 1)]
    return f"{name}:{span.first}\n--------------------\n{''.join(rows)}--------------------\n"


def _widen(first: int, last: int, count: int) -> tuple[int, int]:
    """About four lines around a single one, about two around several.

    >>> _widen(5, 5, 100), _widen(5, 6, 100), _widen(1, 1, 2)
    ((3, 7), (4, 7), (1, 2))
    """
    room = 4 if first == last else 2
    added = 0
    while added < room:
        if first > 1:
            first, added = first - 1, added + 1
        if last != count:
            last, added = last + 1, added + 1
        added += 1
    return first, last
