"""JSONPath as columns and policies of the API use it. Pure. Follows k8s.io/client-go/util/jsonpath, its simple part.

Known: `.name`, `['name']`, `[0]`, `[-1]`, `[1:3]`, `[*]`, `.*`, `..name` and `[?(@.type=="Ready")]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final

from corral.errors import CorralError

Step = Callable[[Any], Iterable[Any]]
_FIELD: Final = re.compile(r"(?:\\.|[^\\.\[\]{}\s'\"()])+")
_QUOTED: Final = re.compile(r"\[\s*(?:'((?:\\.|[^'\\])*)'|\"((?:\\.|[^\"\\])*)\")\s*\]")
_INDEX: Final = re.compile(r"\[\s*(-?\d+)\s*\]")
_SLICE: Final = re.compile(r"\[\s*(-?\d*)\s*:\s*(-?\d*)\s*\]")
_FILTER: Final = re.compile(r"\[\?\(\s*@(\.[^=!<>\s)]+)\s*(?:(==|!=|<=|>=|<|>)\s*(.+?))?\s*\)\]")


class BadPath(CorralError):
    """A text that is no JSONPath, or says more than is known here."""


@lru_cache(maxsize=1024)
def compile(text: str) -> tuple[Step, ...]:
    """Pure: the steps of a path; braces around it and a `$` before it are left out. BadPath."""
    path = text.strip()
    if path.startswith("{") and path.endswith("}"):
        path = path[1:-1].strip()
    path = path.removeprefix("$")
    steps: list[Step] = []
    at = 0
    while at < len(path):
        step, at = _step(path, at)
        steps.append(step)
    return tuple(steps)


def _step(path: str, at: int) -> tuple[Step, int]:
    if path.startswith("..", at):
        found = _FIELD.match(path, at + 2)
        if found is None:
            raise BadPath(f"a name must follow the two dots: {path}")
        return _deep(_unescaped(found[0])), found.end()
    if path.startswith((".*", "[*]"), at):
        return _children, at + (2 if path[at] == "." else 3)
    if path[at] == "." and (found := _FIELD.match(path, at + 1)):
        return _field(_unescaped(found[0])), found.end()
    for pattern, make in _BRACKETS:
        if found := pattern.match(path, at):
            return make(found), found.end()
    raise BadPath(f"unrecognized character in action: {path[at:]!r}")


def _unescaped(name: str) -> str:
    return re.sub(r"\\(.)", r"\1", name)


def _field(name: str) -> Step:
    return lambda value: (value[name],) if isinstance(value, dict) and name in value else ()


def _children(value: Any) -> Iterable[Any]:
    return list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else ()


def _deep(name: str) -> Step:
    def walk(value: Any) -> Iterable[Any]:
        if isinstance(value, dict) and name in value:
            yield value[name]
        for one in _children(value):
            yield from walk(one)

    return walk


def _quoted(found: re.Match[str]) -> Step:
    return _field(_unescaped(found[1] if found[1] is not None else found[2]))


def _index(found: re.Match[str]) -> Step:
    number = int(found[1])
    return lambda value: (value[number],) if isinstance(value, list) and -len(value) <= number < len(value) else ()


def _slice(found: re.Match[str]) -> Step:
    start, end = (int(one) if one else None for one in found.groups())
    return lambda value: value[start:end] if isinstance(value, list) else ()


def _filter(found: re.Match[str]) -> Step:
    inner, sign, raw = compile(found[1]), found[2], found[3]
    wanted = _literal(raw) if raw is not None else None

    def passes(value: Any) -> bool:
        return any(sign is None or _compare(one, sign, wanted) for one in evaluate(inner, value))

    return lambda value: [one for one in _children(value) if passes(one)]


def _literal(raw: str) -> Any:
    if raw[:1] in "'\"" and raw[-1:] == raw[:1] and len(raw) > 1:
        return raw[1:-1]
    try:
        return json.loads(raw)
    except ValueError:
        raise BadPath(f"no value to compare with: {raw}") from None


def _compare(found: Any, sign: str, wanted: Any) -> bool:
    if sign in ("==", "!="):
        return (found == wanted and isinstance(found, bool) == isinstance(wanted, bool)) == (sign == "==")
    try:
        return bool({"<": found < wanted, "<=": found <= wanted, ">": found > wanted, ">=": found >= wanted}[sign])
    except TypeError:
        return False


_BRACKETS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Step]], ...]] = (
    (_QUOTED, _quoted),
    (_INDEX, _index),
    (_SLICE, _slice),
    (_FILTER, _filter),
)


def evaluate(steps: Iterable[Step], value: Any) -> list[Any]:
    """Pure: all that a path leads to.

    >>> ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Old", "status": "False"}]}}
    >>> evaluate(compile('.status.conditions[?(@.type=="Ready")].status'), ready)
    ['True']
    >>> evaluate(compile(r".metadata.labels.example\\.com/a"), {"metadata": {"labels": {"example.com/a": "b"}}})
    ['b']
    >>> evaluate(compile("{.items[*].n}"), {"items": [{"n": 1}, {"n": 2}]}), evaluate(compile(".x"), {})
    ([1, 2], [])
    """
    found = [value]
    for step in steps:
        found = [one for each in found for one in step(each)]
    return found
