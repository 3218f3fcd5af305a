"""Filters: which paths of a source directory are taken. Pure.

The patterns are those of a .dockerignore: they match a path or a directory above it, `**` any depth, `!` takes back.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass

from corral.kit.ignore import Ignore


@dataclass(frozen=True)
class Rules:
    """What of a directory is taken: everything, or what `include` matches, less what `exclude` does."""

    include: Ignore | None = None
    exclude: Ignore | None = None

    @classmethod
    def of(cls, include: str, exclude: Sequence[str]) -> Rules:
        return cls(Ignore([include]) if include else None, Ignore(exclude) if exclude else None)

    def takes(self, path: str) -> bool:
        """This path itself, relative to the directory.

        >>> rules = Rules.of("lib", ["**/*.o", "!lib/keep.o"])
        >>> [rules.takes(path) for path in ("lib", "lib/a.c", "lib/a.o", "lib/keep.o", "bin")]
        [True, True, False, True, False]
        """
        if self.exclude is not None and self.exclude.ignores(path):
            return False
        return self.include is None or self.include.ignores(path)

    def opens(self, directory: str) -> bool:
        """May something below this directory be taken?

        >>> Rules.of("a/b", []).opens("a"), Rules.of("", ["a"]).opens("a"), Rules.of("", ["a", "!a/b"]).opens("a")
        (True, False, True)
        """
        return self.exclude is None or not self.exclude.prunes(directory)

    def takes_name(self, path: str) -> bool:
        """A file that a wildcard found: is it taken, by its name?

        >>> Rules.of("", ["*.txt"]).takes_name("doc/home.txt")
        False
        """
        return self.exclude is None or not self.exclude.ignores(posixpath.basename(path))
