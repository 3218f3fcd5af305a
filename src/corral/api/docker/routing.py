"""Finding an operation by method and path.

A path's pattern is written as in the API's description: `{name}` stands for at least one character and may hold
slashes, because images' names do.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

from corral.http.message import Answer, Request

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi

Operation = Callable[["DockerApi", Request], Awaitable[Answer]]
Route = tuple[str, str, Operation]


class Router:
    """Routes that are written out win over those with a `{name}`; among those, the first that fits."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._exact: dict[tuple[str, str], Operation] = {}
        self._named: dict[tuple[str, str], list[tuple[re.Pattern[str], Operation]]] = {}
        for method, pattern, operation in routes:
            if "{" in pattern:
                key = (method, pattern.split("/")[1])
                self._named.setdefault(key, []).append((compile_pattern(pattern), operation))
            else:
                self._exact[method, pattern] = operation

    def find(self, method: str, path: str) -> Operation | None:
        if (found := self._exact.get((method, path))) is not None:
            return found
        for pattern, operation in self._named.get((method, path[1:].partition("/")[0]), ()):
            if pattern.fullmatch(path):
                return operation
        return self._exact.get((method, "*"))


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Pure.

    >>> bool(compile_pattern("/images/{name}/json").fullmatch("/images/a/b:c/json"))
    True
    """
    return re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(pattern)), re.DOTALL)
