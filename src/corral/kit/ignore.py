"""Ignore: which paths .dockerignore (and `COPY --exclude`) leave out. Pure.

A pattern is meant from the context's root. `*` and `?` stop at slashes, `**` does not; what is below a directory that
matches, matches too; the last pattern that matches decides, and one with `!` takes its paths in again.

The command packs contexts by it, the builder copies by it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator

from corral.errors import InvalidInput
from corral.kit.globpath import compile_pattern, literal_start
from corral.kit.paths import clean

IGNORE_FILE = ".dockerignore"
_EVERYTHING = ("*", "**", "**/*")


def parse_ignore(text: str) -> list[str]:
    """The patterns of a .dockerignore file.

    >>> parse_ignore("# comment\\n/a/b/\\n\\n ! ../x\\n*.pyc ")
    ['a/b', '!../x', '*.pyc']
    """
    found: list[str] = []
    for line in text.removeprefix("\ufeff").split("\n"):
        pattern = line.strip()
        if line.startswith("#") or not pattern:
            continue
        mark = "!" if pattern.startswith("!") else ""
        pattern = pattern[len(mark) :].strip()
        path = clean(pattern) if pattern else ""
        found.append(mark + (path[1:] if len(path) > 1 and path.startswith("/") else path))
    return found


def ignore_files(dockerfile: str) -> list[str]:
    """Where the patterns are looked for: the first that exists counts.

    >>> ignore_files("docker/app.Dockerfile")
    ['docker/app.Dockerfile.dockerignore', '.dockerignore']
    """
    return [f"{dockerfile}.dockerignore", IGNORE_FILE]


class Ignore:
    """Patterns, ready to be asked. InvalidInput if one is broken.

    >>> ignore = Ignore(["**/*.pyc", "node_modules", "!node_modules/keep"])
    >>> [ignore.ignores(path) for path in ("a/b.pyc", "node_modules/x/y", "node_modules/keep/z", "src/node_modules")]
    [True, True, False, False]
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        signed = list(_signed(patterns))
        self.exceptions = [pattern for keeps, pattern in signed if keeps]
        self.everything = any(pattern in _EVERYTHING for keeps, pattern in signed if not keeps)
        groups = itertools.groupby(signed, key=lambda one: one[0])
        self._groups = [(keeps, _Group([p for _, p in some])) for keeps, some in groups][::-1]

    def ignores(self, path: str) -> bool:
        """`path` is relative to the root of the context, without a slash at either end."""
        for keeps, group in self._groups:
            if group.matches(path):
                return not keeps
        return False

    def prunes(self, directory: str) -> bool:
        """Is a directory left out with all that may ever be below it?

        >>> Ignore(["a", "!a/b"]).prunes("a"), Ignore(["a", "!b/c"]).prunes("a"), Ignore(["*", "!**/x"]).prunes("a")
        (False, True, False)
        """
        return self.ignores(directory) and not any(_may_be_below(p, directory) for p in self.exceptions)


def _may_be_below(pattern: str, directory: str) -> bool:
    start = literal_start(pattern)
    return start.startswith(f"{directory}/") or (start != pattern and f"{directory}/".startswith(start))


def _signed(patterns: Iterable[str]) -> Iterator[tuple[bool, str]]:
    """Each cleaned, and whether it has a "!"."""
    for pattern in patterns:
        pattern = pattern.strip()
        if not pattern:
            continue
        pattern = clean(pattern)
        keeps = pattern.startswith("!")
        if pattern == "!":
            raise InvalidInput('illegal exclusion pattern: "!"')
        yield keeps, pattern[keeps:]


class _Group:
    """Patterns of which any may match: one expression for most, and one by one those that would take it too long."""

    def __init__(self, patterns: list[str]) -> None:
        compiled = [compile_pattern(pattern) for pattern in patterns]
        quick = [one for one in compiled if isinstance(one, str)]
        self._slow = [one for one in compiled if not isinstance(one, str)]
        self._quick = re.compile(rf"(?:{'|'.join(quick)})(?:/|\Z)", re.DOTALL).match if quick else None

    def matches(self, path: str) -> bool:
        if self._quick and self._quick(path):
            return True
        return any(slow.matches(path) for slow in self._slow)
