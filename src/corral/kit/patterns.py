"""Patterns: Go's filepath.Match, and the rules of a .dockerignore. Pure, and standard library only: the command reads
them as well as the builder."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

from corral.errors import InvalidInput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

Matched = tuple[bool, ...]  # which patterns matched a directory, or one above it


class Patterns:
    """Matches paths, parents before children: what the directory above gave is handed in again.

    >>> patterns = Patterns(["**/*.o", "doc", "!doc/keep"])
    >>> patterns.match("a/b.o", ()), patterns.match("a/b.c", ())
    ((True, (True, False, False)), (False, (False, False, False)))
    >>> _, above = patterns.match("doc", ())
    >>> patterns.match("doc/keep", above)[0], patterns.match("doc/x", above)[0]
    (False, True)
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns: list[tuple[re.Pattern[str], bool]] = []
        self._kept: list[list[str]] = []  # the exceptions' segments
        for text in patterns:
            negative = text.strip().startswith("!")
            clean = posixpath.normpath(text.strip().removeprefix("!").strip() or ".").lstrip("/")
            if negative and clean == ".":
                raise InvalidInput('illegal exclusion pattern: "!"')
            if text.strip():
                self._patterns.append((_compile(clean), negative))
            if negative:
                self._kept.append(clean.split("/"))
        self.exceptions = bool(self._kept)

    def reaches_below(self, folder: str) -> bool:
        """May an exception take something back that is below a directory which is left out?

        >>> patterns = Patterns(["*", "!src/*/a", "!doc"])
        >>> patterns.reaches_below("src"), patterns.reaches_below("src/x"), patterns.reaches_below("node_modules")
        (True, True, False)
        """
        return any(_may_lead(kept, folder.split("/")) for kept in self._kept)

    def match(self, path: str, above: Matched) -> tuple[bool, Matched]:
        matched, found = False, []
        for n, (pattern, negative) in enumerate(self._patterns):
            hit = above[n] if above else False
            if not hit and negative == matched:
                hit = pattern.fullmatch(path) is not None
            found.append(hit)
            if hit:
                matched = not negative
        return matched, tuple(found)


def _may_lead(pattern: Sequence[str], folder: Sequence[str]) -> bool:
    """Whether a pattern, segment by segment, may match something below a directory."""
    for want, has in zip(pattern, folder, strict=False):
        if "**" in want:
            return True
        if compile_match(want).fullmatch(has) is None:
            return False
    return True


def _compile(pattern: str) -> re.Pattern[str]:
    """Segments between `**` are Go's; `**` is any number of directories, at the end also anything below."""
    out = []
    segments = pattern.split("/")
    for n, segment in enumerate(segments):
        last = n == len(segments) - 1
        if segment == "**":
            out.append(".*" if last else "(?:.*/)?")
        else:
            parts = [compile_match(part).pattern for part in segment.split("**")]
            out.append(".*".join(parts) + ("" if last else "/"))
    return re.compile("".join(out), re.DOTALL)


@lru_cache(maxsize=512)
def compile_match(pattern: str) -> re.Pattern[str]:
    r"""Go's pattern as a regular expression for `fullmatch`. InvalidInput if Go refuses it.

    >>> bool(compile_match("a?[^x-z]*").fullmatch("abc.txt")), bool(compile_match("*").fullmatch("a/b"))
    (True, False)
    >>> compile_match("[a")
    Traceback (most recent call last):
    corral.errors.InvalidInput: syntax error in pattern: "[a"
    """
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "[":
            piece, at = _class(pattern, at)
            out.append(piece)
        elif char == "\\":
            if at == len(pattern):
                raise _bad(pattern)
            out.append(re.escape(pattern[at]))
            at += 1
        else:
            out.append(re.escape(char))
    return re.compile("".join(out), re.DOTALL)


def _class(pattern: str, at: int) -> tuple[str, int]:
    """The characters between brackets, and where it goes on behind them."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[str, str]] = []
    while at < len(pattern) and not (pattern[at] == "]" and ranges):
        low, at = _one(pattern, at)
        high = low
        if pattern.startswith("-", at):
            high, at = _one(pattern, at + 1)
        ranges.append((low, high))
    if at >= len(pattern):
        raise _bad(pattern)
    # A range that is upside down has nothing in it.
    inner = "".join(f"{re.escape(low)}-{re.escape(high)}" for low, high in ranges if low <= high)
    if not inner:
        return ("[\\s\\S]" if negated else "(?!)"), at + 1
    return f"[{'^' if negated else ''}{inner}]", at + 1


def _one(pattern: str, at: int) -> tuple[str, int]:
    if at >= len(pattern) or pattern[at] in "-]":
        raise _bad(pattern)
    if pattern[at] == "\\":
        at += 1
        if at >= len(pattern):
            raise _bad(pattern)
    return pattern[at], at + 1


def _bad(pattern: str) -> InvalidInput:
    return InvalidInput(f'syntax error in pattern: "{pattern}"')


def parse_ignore(text: str) -> list[str]:
    """The patterns of a .dockerignore. Pure.

    >>> parse_ignore("# all but\\n*\\n\\n ! src/ \\n")
    ['*', '!src']
    """
    found = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = line.rstrip("\r")
        if pattern.startswith("#") or not pattern.strip():
            continue
        pattern = pattern.strip()
        negative = pattern.startswith("!")
        pattern = pattern.removeprefix("!").strip()
        if pattern:
            pattern = posixpath.normpath(pattern).lstrip("/") or "."
        found.append(("!" if negative else "") + pattern)
    return found
