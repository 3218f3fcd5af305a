"""Paths as text, without a look at any disk. Pure."""

from __future__ import annotations

import posixpath


def clean(path: str) -> str:
    """A path without ".", ".." that can be resolved, and doubled slashes.

    >>> clean("//a/./b/../c/"), clean("../a"), clean(""), clean("/..")
    ('/a/c', '../a', '.', '/')
    """
    found = posixpath.normpath(path)
    return found[1:] if found.startswith("//") else found


def join(*parts: str) -> str:
    """All of them one below the other, however they begin.

    >>> join("/", "a", "../b"), join("/src", "/x")
    ('/b', '/src/x')
    """
    return clean("/".join(part for part in parts if part))
