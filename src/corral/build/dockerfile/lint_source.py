"""Lint of the source: what can be said of instructions before any variable is known. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from corral.build.dockerfile.instructions import Arg, From, Instruction, Maintainer
from corral.build.dockerfile.lint import Check, for_comments, warn
from corral.build.dockerfile.parse import Parsed
from corral.build.dockerfile.texts import quote
from corral.build.ops import Span, Warning

_RESERVED = ("context", "scratch")


def lint_source(parsed: Parsed, check: Check) -> list[Warning]:
    """
    >>> from corral.build.dockerfile.parse import parse
    >>> [w.rule for w in lint_source(parse("FROM a as B\\nrun x"), Check())]
    ['StageNameCasing', 'FromAsCasing', 'ConsistentInstructionCasing']
    """
    found: list[Warning] = []
    for number in parsed.empty_continuations:
        found += warn(check, "NoEmptyContinuation", Span(number, number))
    for instruction in parsed.instructions:
        found += _one(instruction, for_comments(check, instruction.comments))
    found += _stage_names([i for i in parsed.instructions if isinstance(i, From)], check)
    started = next((n for n, i in enumerate(parsed.instructions) if isinstance(i, From)), 0)
    return found + _casing(parsed.instructions[started:], check)


def _one(instruction: Instruction, check: Check) -> list[Warning]:
    span = instruction.span
    if isinstance(instruction, Maintainer):
        return warn(check, "MaintainerDeprecated", span)
    if isinstance(instruction, Arg):
        return _description("ARG", [name for name, _ in instruction.names], instruction, check)
    if not isinstance(instruction, From) or not instruction.stage:
        return []
    found: list[Warning] = []
    if instruction.written != instruction.stage:
        found += warn(check, "StageNameCasing", span, instruction.written)
    if _differ(instruction.name, instruction.keyword):
        found += warn(check, "FromAsCasing", span, instruction.keyword, instruction.name)
    return found + _description("FROM", [instruction.stage], instruction, check)


def _differ(name: str, keyword: str) -> bool:
    """Mixed case is another rule's."""
    if name == name.lower():
        return keyword != keyword.lower()
    return name == name.upper() and keyword != keyword.upper()


def _description(kind: str, names: list[str], instruction: Instruction, check: Check) -> list[Warning]:
    if not instruction.comments or instruction.comments[-1].split(" ")[0] in names:
        return []
    example = names[0] if len(names) == 1 else "<arg_key>"
    return warn(check, "InvalidDefinitionDescription", instruction.span, kind, example)


def _stage_names(stages: Sequence[From], check: Check) -> list[Warning]:
    found: list[Warning] = []
    seen: set[str] = set()
    for stage in stages:
        if stage.stage in _RESERVED:
            found += warn(check, "ReservedStageName", stage.span, quote(stage.stage))
        if stage.stage and stage.stage in seen:
            found += warn(check, "DuplicateStageName", stage.span, quote(stage.stage))
        seen.add(stage.stage)
    return found


def _casing(instructions: Sequence[Instruction], check: Check) -> list[Warning]:
    lower = sum(i.name == i.name.lower() for i in instructions)
    upper = sum(i.name == i.name.upper() for i in instructions)
    wanted, word = (str.lower, "lowercase") if lower > upper else (str.upper, "uppercase")
    found: list[Warning] = []
    for instruction in instructions:
        if instruction.name != wanted(instruction.name):
            found += warn(check, "ConsistentInstructionCasing", instruction.span, instruction.name, word)
    return found
