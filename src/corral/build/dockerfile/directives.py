"""Directives: the comments at a Dockerfile's head that are meant for the parser: syntax, escape, check. Pure.

They stand before everything else, each at most once; the first line that is none ends them.
"""

from __future__ import annotations

import re

from corral.build.ops import Span
from corral.build.request import BuildFailed
from corral.model.container import Struct

_DIRECTIVE = re.compile(r"\s*#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.*\S)\s*")
_OURS = re.compile(r"dockerfile\.v0$|(?:.*/)?docker/dockerfile(?:-upstream)?(?:[:@].*)?$")


class Directives(Struct):
    escape: str = "\\"
    syntax: str = ""
    check: str = ""
    count: int = 0  # lines that are directives
    syntax_line: int = 0


def parse_directives(lines: list[str]) -> Directives:
    """
    >>> parse_directives(["# syntax=docker/dockerfile:1", "#escape=`", "# note", "# check=skip=all"])
    Directives(escape='`', syntax='docker/dockerfile:1', check='', count=2, syntax_line=1)
    """
    found: dict[str, str] = {}
    places: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        match = _DIRECTIVE.fullmatch(line) if "#" in line else None
        name = match[1].lower() if match else ""
        if not match or name not in ("syntax", "escape", "check"):
            break
        if name in found:
            raise BuildFailed(f"only one {name} parser directive can be used", span=Span(number, number))
        if name == "escape" and match[2] not in ("\\", "`"):
            text = f"invalid escape token '{match[2]}' does not match ` or \\"
            raise BuildFailed(text, span=Span(number, number))
        found[name], places[name] = match[2], number
    return Directives(**found, count=len(found), syntax_line=places.get("syntax", 0))


def check_syntax(reference: str, line: int = 0) -> None:
    """Is this frontend the one that is built in? Any version of docker/dockerfile is; others are refused by name.

    >>> check_syntax("docker/dockerfile:1.7-labs"), check_syntax("mirror.local/docker/dockerfile:1@sha256:0")
    (None, None)
    >>> check_syntax("example/buildpack:2 --flag")
    Traceback (most recent call last):
    corral.build.request.BuildFailed: unsupported frontend example/buildpack:2: only docker/dockerfile is built in, \
and frontends are not run from images
    """
    name = reference.split(" ", 1)[0]
    if name and not _OURS.match(name):
        text = f"unsupported frontend {name}: only docker/dockerfile is built in, and frontends are not run from images"
        raise BuildFailed(text, span=Span(line, line) if line else None)
