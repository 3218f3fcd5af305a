"""Parse: a Dockerfile's text into instructions. Pure.

Errors carry the lines they are about; `corral.build.excerpt` shows them.
"""

from __future__ import annotations

from corral.build.dockerfile import instructions as kinds
from corral.build.dockerfile.directives import Directives, parse_directives
from corral.build.dockerfile.drafts import Draft, read_draft
from corral.build.dockerfile.instructions import Instruction
from corral.build.dockerfile.lines import join_lines, split_lines
from corral.build.dockerfile.parsers import PARSERS
from corral.build.dockerfile.suggest import did_you_mean
from corral.build.ops import Span
from corral.build.request import BuildFailed
from corral.model.container import Struct


class Parsed(Struct):
    """`empty_continuations` are the last lines of instructions that have blank lines inside."""

    instructions: list[Instruction]
    directives: Directives
    empty_continuations: list[int] = []


def parse(text: str) -> Parsed:
    """
    >>> [i.name for i in parse("# syntax=docker/dockerfile:1\\nFROM busybox\\nRUN make\\n").instructions]
    ['FROM', 'RUN']
    >>> parse("FROM busybox\\nRUNN make\\n")
    Traceback (most recent call last):
    corral.build.request.BuildFailed: dockerfile parse error on line 2: unknown instruction: RUNN (did you mean RUN?)
    """
    if not text:
        raise BuildFailed("the Dockerfile cannot be empty")
    lines = split_lines(text)
    directives = parse_directives(lines)
    joined = join_lines(lines, directives.escape, directives.count)
    if not joined.found:
        raise BuildFailed("file with no instructions", span=Span(len(lines), len(lines)))
    drafts = [read_draft(line, directives.escape) for line in joined.found]
    return Parsed([_parse(draft) for draft in drafts], directives, joined.empty_continuations)


def parse_trigger(expression: str, span: Span) -> Instruction:
    """An ONBUILD of the base, which is carried out where FROM stands (`span`)."""
    try:
        joined = join_lines(split_lines(expression), "\\", 0)
        if len(joined.found) != 1:
            raise BuildFailed("onbuild trigger should be a single expression")
        found = _instruction(read_draft(joined.found[0], "\\"))
        if isinstance(found, kinds.From):
            raise BuildFailed("FROM isn't allowed as an ONBUILD trigger")
    except BuildFailed as error:
        error.span = span
        raise
    found.span, found.trigger = span, True
    return found


def _parse(draft: Draft) -> Instruction:
    try:
        return _instruction(draft)
    except BuildFailed as error:
        span = draft.line.span
        raise BuildFailed(f"dockerfile parse error on line {span.first}: {error.message}", span=span) from None


def _instruction(draft: Draft) -> Instruction:
    found = PARSERS.get(draft.kind)
    if found is None:
        names = did_you_mean(draft.name, kinds.NAMES, any_case=True)
        raise BuildFailed(f"unknown instruction: {draft.name}{names}")
    kind, parser = found
    line = draft.line
    head = {"name": draft.name, "text": line.text.strip(), "span": line.span, "comments": line.comments}
    made: Instruction = kind(**head, **parser(draft))
    return made
