"""Drafts: an instruction's line cut into name, flags and words, each instruction in its own way. Pure.

A draft knows nothing of what the words mean, and takes any name for an instruction.
"""

from __future__ import annotations

from typing import NamedTuple

from corral.build.dockerfile.lines import Line
from corral.build.dockerfile.words import BLANKS, Pair, parse_json, split_command, split_pairs, split_words
from corral.build.request import BuildFailed


class Draft(NamedTuple):
    """`json`: the words were a JSON list. `pairs` only where names have values: ENV, LABEL."""

    line: Line
    name: str
    flags: list[str]
    words: list[str]
    json: bool = False
    pairs: list[Pair] = []

    @property
    def kind(self) -> str:
        return self.name.upper()


def read_draft(line: Line, escape: str) -> Draft:
    """
    >>> from corral.build.ops import Span
    >>> draft = read_draft(Line('cmd ["a", "b"]', Span(3, 3), [], []), "\\\\")
    >>> draft.kind, draft.words, draft.json
    ('CMD', ['a', 'b'], True)
    """
    try:
        return _read(line, line.text, escape)
    except BuildFailed as error:
        error.span = error.span or line.span
        raise


def _read(line: Line, text: str, escape: str) -> Draft:
    name, flags, rest = split_command(text, escape)
    kind = name.upper()
    if kind in ("ENV", "LABEL"):
        return Draft(line, name, flags, [], pairs=split_pairs(rest, kind, escape))
    if kind == "HEALTHCHECK":
        first, tail = _first(rest)
        words, json = _line_or_json(tail)
        return Draft(line, name, flags, [first, *words] if first else [], json)
    if kind in ("RUN", "CMD", "ENTRYPOINT", "SHELL"):
        return Draft(line, name, flags, *_line_or_json(rest))
    if kind in ("ADD", "COPY", "VOLUME"):
        found = parse_json(rest)
        return Draft(line, name, flags, _blank_split(rest) if found is None else found, found is not None)
    if kind == "ONBUILD" and rest:
        inner = _read(line, rest, escape)
        return Draft(line, name, flags, [inner.name, *inner.words])
    if kind == "ARG":
        return Draft(line, name, flags, split_words(rest, escape))
    if kind in ("EXPOSE", "FROM"):
        return Draft(line, name, flags, _blank_split(rest))
    return Draft(line, name, flags, [rest] if rest else [])


def _first(text: str) -> tuple[str, str]:
    parts = BLANKS.split(text, maxsplit=1)
    return parts[0], parts[1] if len(parts) > 1 else ""


def _blank_split(text: str) -> list[str]:
    return BLANKS.split(text) if text else []


def _line_or_json(text: str) -> tuple[list[str], bool]:
    found = parse_json(text)
    return ([text] if text else [], False) if found is None else (found, True)
