"""Match: Go's filepath.Match, and paths as BuildKit cleans them. Pure."""

from __future__ import annotations

import posixpath
import re
from functools import lru_cache

from corral.errors import InvalidInput


def clean_path(path: str) -> str:
    """An absolute path without `..`; a slash, or `/.`, at its end is kept, for it matters.

    >>> clean_path("../a//b/"), clean_path("a/."), clean_path("."), clean_path("/")
    ('/a/b/', '/a/.', '/', '/')
    """
    clean = posixpath.normpath("/" + path.lstrip("/"))
    if clean == "/":
        return clean
    if path.endswith("/."):
        return clean + "/."
    return clean + "/" if path.endswith("/") else clean


def has_wildcards(path: str) -> bool:
    r"""
    >>> has_wildcards("a*"), has_wildcards("a\\*"), has_wildcards("[ab]")
    (True, False, True)
    """
    return re.search(r"(?<!\\)(?:\\\\)*[*?\[]", path) is not None


def split_wildcards(path: str) -> tuple[str, str]:
    """A clean path as the part before its first wildcard, and the rest.

    >>> split_wildcards("/src/*/x"), split_wildcards("/src/a"), split_wildcards("/*")
    (('/src', '*/x'), ('/src/a', ''), ('/', '*'))
    """
    parts = path.strip("/").split("/")
    for n, part in enumerate(parts):
        if has_wildcards(part):
            return "/" + "/".join(parts[:n]), "/".join(parts[n:])
    return path, ""


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
