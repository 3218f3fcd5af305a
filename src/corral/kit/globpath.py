"""Globs of paths: `*`, `?`, `[a-z]`, `**` and backslashes, as expressions that take no more than linear tries. Pure.

Between stars a pattern is of fixed length. A star may stop at the first place where the next piece fits if another
star follows: nothing is lost by it, and it keeps `*a*a*a*a*b` from being tried in every way there is. The few patterns
for which this does not hold (`a**b**c`) are walked through step by step.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from corral.errors import InvalidInput

_STAR, _DEEP, _REST = "*", "**", "**$"  # within a name; any directories, with their slash; all that follows


class Token(NamedTuple):
    """`kind` is one of the stars, or "" for `one`: an expression for a single character."""

    kind: str
    one: str = ""


def compile_pattern(pattern: str) -> str | Walk:
    """An expression for the whole of a path, or of a directory above it; or what walks through it.

    >>> re.match(compile_pattern("src/**/*.py") + r"(?:/|\\Z)", "src/a/b.py").group()
    'src/a/b.py'
    """
    tokens = tokenize(pattern)
    blocks = _blocks(tokens)
    if sum(not _ends_name(block) for block in blocks[:-1]) > 1:
        return Walk(tokens)
    last = len(blocks) - 1
    parts = [_block(block, first=not n, final=n == last) for n, block in enumerate(blocks)]
    try:
        return str(re.compile("".join(parts), re.DOTALL).pattern)
    except re.error:
        raise InvalidInput(f"syntax error in pattern: {pattern}") from None


def literal_start(pattern: str) -> str:
    """What every matching path begins with.

    >>> literal_start("a/b*/c"), literal_start("**/x"), literal_start("a/b")
    ('a/b', '', 'a/b')
    """
    return re.split(r"[*?\[\\]", pattern, maxsplit=1)[0]


def tokenize(pattern: str) -> list[Token]:
    found: list[Token] = []
    at = 0
    while at < len(pattern):
        letter = pattern[at]
        if letter == "*":
            token, at = _stars(pattern, at)
        elif letter == "[":
            token, at = _class(pattern, at)
        elif letter == "?":
            token, at = Token("", "[^/]"), at + 1
        else:
            at += letter == "\\"
            if at == len(pattern):
                raise InvalidInput(f"syntax error in pattern: {pattern}")
            token, at = Token("", re.escape(pattern[at])), at + 1
        found.append(token)
    if found and found[0].kind == _DEEP and not pattern.startswith("**/") and all(not t.kind for t in found[1:]):
        found[0] = Token(_REST)  # "**.py" alone is any path that ends so
    return found


def _stars(pattern: str, at: int) -> tuple[Token, int]:
    if not pattern.startswith("**", at):
        return Token(_STAR), at + 1
    at += 2
    if pattern.startswith("/", at):
        at += 1
    return Token(_REST if at == len(pattern) else _DEEP), at


def _class(pattern: str, at: int) -> tuple[Token, int]:
    """`[a-z]`, `[^a]`, with backslashes before what is meant as it stands."""
    start = at
    at += 1
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[str] = []
    while not (pattern.startswith("]", at) and ranges):
        low, at = _member(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _member(pattern, at + 1)
        if high < low:
            raise InvalidInput(f"syntax error in pattern: {pattern[start:]}")
        ranges.append(re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}")
    return Token("", f"[{'^/' if negated else ''}{''.join(ranges)}]"), at + 1


def _member(pattern: str, at: int) -> tuple[str, int]:
    """A letter of a class; something must follow it."""
    escaped = pattern.startswith("\\", at)
    at += escaped
    if at + 1 >= len(pattern) or (not escaped and pattern[at] in "-]"):
        raise InvalidInput(f"syntax error in pattern: {pattern}")
    return pattern[at], at + 1


def _blocks(tokens: list[Token]) -> list[list[Token]]:
    """Cut before every `**`."""
    found: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == _DEEP:
            found.append([])
        found[-1].append(token)
    return found


def _ends_name(block: list[Token]) -> bool:
    return not block or block[-1].one == "/"


def _block(block: list[Token], first: bool, final: bool) -> str:
    deep = bool(block) and block[0].kind == _DEEP
    tokens = block[1:] if deep else block
    inside = _names(tokens)
    if deep and not final and _ends_name(block):
        return f"(?>(?:.*?/)??{inside})"
    if not deep and not final and _ends_name(block) and inside:
        return f"(?>{inside})"
    return (r"(?:.*/)?" if deep else "") + inside


def _names(tokens: list[Token]) -> str:
    """Between two `**`: pieces with stars between."""
    out: list[str] = []
    stars = [n for n, token in enumerate(tokens) if token.kind in (_STAR, _REST)]
    if not stars:
        return "".join(token.one for token in tokens)
    out.append("".join(token.one for token in tokens[: stars[0]]))
    for place, end in zip(stars, [*stars[1:], len(tokens)], strict=True):
        piece = "".join(token.one for token in tokens[place + 1 : end])
        if tokens[place].kind == _REST:
            out.append(f".*{piece}")
        else:
            out.append(f"[^/]*{piece}" if end == len(tokens) else f"(?>[^/]*?{piece})")
    return "".join(out)


class Walk:
    """A pattern tried in all ways at once: which places of the path each token may end at.

    >>> Walk(tokenize("a**b**c")).matches("ax/b/c"), Walk(tokenize("a**b**c")).matches("abcd/e")
    (True, False)
    """

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = [(token.kind, re.compile(token.one, re.DOTALL)) for token in tokens]

    def matches(self, path: str) -> bool:
        """Does it match the path, or a directory above it?"""
        places = {0}
        for kind, one in self._tokens:
            places = _after(kind, one, path, places)
            if not places:
                return False
        return any(place == len(path) or path[place] == "/" for place in places)


def _after(kind: str, one: re.Pattern[str], path: str, places: set[int]) -> set[int]:
    if not kind:
        return {place + 1 for place in places if one.match(path, place) and place < len(path)}
    first = min(places)
    if kind == _REST:
        return set(range(first, len(path) + 1))
    if kind == _DEEP:
        return places | {n + 1 for n in range(first, len(path)) if path[n] == "/"}
    found: set[int] = set()
    for place in sorted(places):
        while place <= len(path) and place not in found:
            found.add(place)
            if path[place : place + 1] == "/":
                break
            place += 1
    return found
