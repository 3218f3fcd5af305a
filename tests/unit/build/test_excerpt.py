"""The place in the file."""

from __future__ import annotations

from corral.build.excerpt import excerpt
from corral.build.ops import Span

LINES = "\n".join(f"line {n}" for n in range(1, 12))


def test_in_the_middle() -> None:
    assert excerpt("Dockerfile", LINES, Span(5, 5)) == (
        "Dockerfile:5\n"
        "--------------------\n"
        "   3 |     line 3\n"
        "   4 |     line 4\n"
        "   5 | >>> line 5\n"
        "   6 |     line 6\n"
        "   7 |     line 7\n"
        "--------------------\n"
    )


def test_several_lines_at_the_end() -> None:
    assert excerpt("a/b", LINES, Span(10, 11)) == (
        "a/b:10\n"
        "--------------------\n"
        "   9 |     line 9\n"
        "  10 | >>> line 10\n"
        "  11 | >>> line 11\n"
        "--------------------\n"
    )


def test_nowhere() -> None:
    assert [excerpt("x", "a", span) for span in (None, Span(0, 0), Span(2, 2))] == ["", "", ""]
