"""What .dockerignore leaves out."""

from __future__ import annotations

import time

import pytest

from corral.errors import InvalidInput
from corral.kit.ignore import Ignore, parse_ignore


@pytest.mark.parametrize(
    ("patterns", "ignored", "kept"),
    [
        (["a"], ["a", "a/b", "a/b/c"], ["b", "ab", "b/a", ""]),
        (["/a"], [], ["a"]),  # only parse_ignore drops the slash, as Docker does
        (["a/"], ["a", "a/b"], ["b/a"]),
        (["./a/../b"], ["b"], ["a"]),
        (["*"], ["a", "a/b", ".x"], []),
        (["*.go"], ["x.go", "x.go/y"], ["a/x.go", "x.gone"]),
        (["*/*.go"], ["a/x.go"], ["x.go", "a/b/x.go"]),
        (["**/*.go"], ["x.go", "a/x.go", "a/b/x.go"], ["x.py"]),
        (["**"], ["a", "a/b"], []),
        (["a/**"], ["a/b", "a/b/c"], ["a", "b"]),
        (["a/**/b"], ["a/b", "a/x/b", "a/x/y/b/c"], ["a", "a/xb", "b"]),
        (["**/a/**/b"], ["a/b", "x/a/y/b", "x/y/a/b/z"], ["b", "xa/b"]),
        (["**a"], ["a", "xa", "x/ya"], ["b", "ab"]),
        (["a**"], ["a", "ab", "ab/c"], ["b"]),
        (["a?c"], ["abc"], ["ac", "a/c", "abbc"]),
        (["[a-c]x"], ["ax", "cx/y"], ["dx", "x"]),
        (["[^a]x"], ["bx"], ["ax", "x"]),
        (["a\\*b"], ["a*b"], ["axb"]),
        (["a.b"], ["a.b"], ["axb"]),
        (["a+(b)"], ["a+(b)"], ["aab"]),
        (["*x*y*"], ["xy", "axbyc", "axby/z"], ["yx", "x", "x/y"]),
        (["a/*/c"], ["a/b/c", "a/b/c/d"], ["a/c", "a/b/b/c"]),
        (["*", "!a"], ["b"], ["a", "a/b"]),
        (["a", "!a/b", "a/b/c"], ["a", "a/x", "a/b/c"], ["a/b", "a/b/d"]),
        (["!a", "a"], ["a"], []),
        (["a", "", "  "], ["a"], ["b"]),
        (["a**b**c**d"], ["abcd", "ax/bx/cx/d", "abcd/e"], ["abc", "axbcd"]),
    ],
)
def test_patterns(patterns: list[str], ignored: list[str], kept: list[str]) -> None:
    ignore = Ignore(patterns)
    assert [path for path in ignored if not ignore.ignores(path)] == []
    assert [path for path in kept if ignore.ignores(path)] == []


def test_files() -> None:
    text = "\ufeff# no\r\n /a/ \r\n!/b\n ! c\n\n#d\n e#f\n"
    assert parse_ignore(text) == ["a", "!b", "!c", "e#f"]


@pytest.mark.parametrize("pattern", ["[", "[]", "[a", "a[b-]", "[b-a]", "[-a]", "a\\", "[a\\"])
def test_broken_patterns(pattern: str) -> None:
    with pytest.raises(InvalidInput, match="syntax error in pattern"):
        Ignore([pattern])


def test_nothing_to_take_in_again() -> None:
    with pytest.raises(InvalidInput) as caught:
        Ignore(parse_ignore("!"))
    assert caught.value.message == 'illegal exclusion pattern: "!"'


@pytest.mark.parametrize(
    "patterns", [["*a*a*a*a*a*a*a*b"], ["**/a/**/a/**/a/**/a/**/b"], ["a**a**a**a**a**b"], ["**a*a*a*a*a*b"]]
)
def test_no_pattern_takes_for_ever(patterns: list[str]) -> None:
    ignore = Ignore(patterns)
    start = time.process_time()
    assert not ignore.ignores("a" * 2000)
    assert not ignore.ignores("a/" * 1000 + "a")
    assert time.process_time() - start < 2
