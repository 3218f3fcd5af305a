"""Filters: which paths of a source directory are taken. Pure.

The patterns are those of a .dockerignore: they match a path or a directory above it, `**` any depth, `!` takes back.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from corral.build.copying.match import compile_match
from corral.errors import InvalidInput

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
        for text in patterns:
            negative = text.strip().startswith("!")
            clean = posixpath.normpath(text.strip().removeprefix("!").strip() or ".").lstrip("/")
            if negative and clean == ".":
                raise InvalidInput('illegal exclusion pattern: "!"')
            if text.strip():
                self._patterns.append((_compile(clean), negative))
        self.exceptions = any(negative for _, negative in self._patterns)

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


@dataclass(frozen=True)
class Rules:
    """What of a directory is taken: everything, or `include`, less `exclude`."""

    include: Patterns | None = None
    exclude: Patterns | None = None

    @classmethod
    def of(cls, include: str, exclude: Sequence[str]) -> Rules:
        return cls(Patterns([include]) if include else None, Patterns(exclude) if exclude else None)

    def take(self, path: str, above: Verdict) -> Verdict:
        """About one path, by what was said about the directory above it.

        >>> rules = Rules.of("lib", ["*.o"])
        >>> rules.take("lib", Verdict()).taken, rules.take("x.o", Verdict()).taken
        (True, False)
        """
        included, includes = (True, ()) if self.include is None else self.include.match(path, above.includes)
        excluded, excludes = (False, ()) if self.exclude is None else self.exclude.match(path, above.excludes)
        # Below what is excluded there is nothing, unless an exception may take something back.
        closed = excluded and self.exclude is not None and not self.exclude.exceptions
        return Verdict(included and not excluded, closed, includes, excludes)

    def excludes_name(self, name: str) -> bool:
        """Is a file, found by a wildcard, excluded by its name?"""
        return self.exclude is not None and self.exclude.match(name, ())[0]


@dataclass(frozen=True)
class Verdict:
    """`taken`: this path itself. `closed`: nothing below it either."""

    taken: bool = True
    closed: bool = False
    includes: Matched = field(default=())
    excludes: Matched = field(default=())
