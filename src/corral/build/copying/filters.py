"""Filters: which paths of a source directory are taken: `include` of --parents, less --exclude. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from corral.kit.ignore import Ignore


@dataclass(frozen=True)
class Verdict:
    """`taken`: this path itself. `closed`: nothing below it either."""

    taken: bool
    closed: bool


@dataclass(frozen=True)
class Rules:
    """What of a directory is taken: everything, or `include`, less `exclude`."""

    include: Ignore | None = None
    exclude: Ignore | None = None

    @classmethod
    def of(cls, include: str, exclude: Sequence[str]) -> Rules:
        return cls(Ignore([include]) if include else None, Ignore(exclude) if exclude else None)

    def take(self, path: str) -> Verdict:
        """About one path.

        >>> rules = Rules.of("lib", ["*.o", "lib/x", "!lib/x/y"])
        >>> rules.take("lib/a").taken, rules.take("x.o").taken, rules.take("lib/x"), rules.take("a.o").closed
        (True, False, Verdict(taken=False, closed=False), True)
        """
        included = self.include is None or self.include.ignores(path)
        excluded = self.exclude is not None and self.exclude.ignores(path)
        return Verdict(included and not excluded, excluded and self.exclude is not None and self.exclude.prunes(path))

    def excludes_name(self, name: str) -> bool:
        """Is a file, found by a wildcard, excluded by its name?"""
        return self.exclude is not None and self.exclude.ignores(name)
