"""Glob: the patterns of `${name#pattern}` and `${name/pattern/new}`: `*`, `?`, and backslashes before them. Pure.

A pattern becomes pieces of fixed length with stars between. A star always ends at the first place where the next
piece fits, only the last one looks further: that finds every match, and takes no more time than length times length.
"""

from __future__ import annotations

import re
from functools import lru_cache


class BadPattern(ValueError):
    """A backslash before a letter that needs none."""


_Token = str  # "*", "?" or a letter with a backslash before it


def _tokens(pattern: str) -> list[_Token]:
    out: list[_Token] = []
    letters = iter(pattern)
    for letter in letters:
        if letter in "*?":
            out.append(letter)
            continue
        if letter == "\\":
            letter = next(letters, "")
            if not letter or letter not in "}/*?\\":
                raise BadPattern(f"invalid escape '\\{letter}'")
            if letter in "}/":
                out.append("\\" + letter)
                continue
        out.append("\\" + letter)
    return out


@lru_cache(maxsize=256)
def _compiled(tokens: tuple[_Token, ...], longest: bool) -> re.Pattern[str]:
    pieces = [""]
    for token in tokens:
        if token == "*":
            pieces.append("")
        else:
            pieces[-1] += "." if token == "?" else re.escape(token[1])
    if len(pieces) == 1:
        return re.compile(pieces[0])
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1])
    return re.compile(f"{pieces[0]}{middle}{'.*' if longest else '.*?'}{pieces[-1]}")


def trim_prefix(value: str, pattern: str, longest: bool) -> str:
    """
    >>> trim_prefix("a/b/c", "*/", False), trim_prefix("a/b/c", "*/", True), trim_prefix("a/b", "x*", True)
    ('b/c', 'c', 'a/b')
    """
    found = _compiled(tuple(_tokens(pattern)), longest).match(value)
    return value[found.end() :] if found else value


def trim_suffix(value: str, pattern: str, longest: bool) -> str:
    """
    >>> trim_suffix("a.tar.gz", ".*", False), trim_suffix("a.tar.gz", ".*", True)
    ('a.tar', 'a')
    """
    backwards = value[::-1]
    found = _compiled(tuple(reversed(_tokens(pattern))), longest).match(backwards)
    return value[: len(value) - found.end()] if found else value


def substitute(value: str, pattern: str, new: str, everywhere: bool, longest: int) -> str:
    """BadPattern if more than `longest` letters are put in.

    >>> substitute("a-b-c", "-", "+", False, 9), substitute("a-b-c", "-", "+", True, 9)
    ('a+b-c', 'a+b+c')
    >>> substitute("foo.x", "f*.", "", True, 9)
    'x'
    """
    tokens = _tokens(pattern)
    head = tokens[: tokens.index("*")] if "*" in tokens else tokens
    start, whole = _compiled(tuple(head), True), _compiled(tuple(tokens), True)
    out, at = [], 0
    place = 0  # where to look on; a star never crosses the end of a line
    while place <= len(value) and (begin := start.search(value, place)):
        found = whole.match(value, begin.start())
        if not found:
            newline = value.find("\n", begin.start())
            if newline < 0:
                break
            place = newline + 1
            continue
        out += [value[at : found.start()], new]
        longest -= len(new)
        if longest < 0:
            raise BadPattern("it puts in too much")
        at, place = found.end(), max(found.end(), found.start() + 1)
        if not everywhere:
            break
    return "".join(out) + value[at:]
