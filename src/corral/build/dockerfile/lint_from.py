"""Lint of FROM: bases and platforms that variables make. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from corral.build.dockerfile.arguments import global_arguments
from corral.build.dockerfile.instructions import Arg, From
from corral.build.dockerfile.lint import Check, for_comments, warn
from corral.build.dockerfile.shell import Expansion, Rules, expand
from corral.build.dockerfile.suggest import did_you_mean
from corral.build.dockerfile.texts import quote
from corral.build.ops import Warning
from corral.build.request import BuildFailed
from corral.errors import InvalidInput
from corral.images import references
from corral.images.platforms import split_platform


def lint_bases(
    heads: Sequence[From], instructions: Sequence[Arg], start: Mapping[str, str], rules: Rules, check: Check
) -> list[Warning]:
    """Would every base have a name if no argument was given?"""
    found: list[Warning] = []
    try:
        arguments = global_arguments(instructions, start, {}, rules)
        for head in heads:
            if not _is_reference(expand(head.base, arguments, rules).text):
                found += warn(check, "InvalidDefaultArgInFrom", head.span, head.base)
    except BuildFailed:  # the same will fail the build, with its own words
        pass
    return found


def _is_reference(name: str) -> bool:
    try:
        references.parse(name)
    except InvalidInput:
        return False
    return True


def lint_from(
    head: From, arguments: Mapping[str, str], declared: Iterable[str], rules: Rules, check: Check
) -> list[Warning]:
    """Undeclared arguments, and platforms that are constant or the default."""
    check = for_comments(check, head.comments)
    known = {*arguments, *declared}
    found: list[Warning] = []
    for text in (head.base, head.platform):
        try:
            expansion = expand(text, arguments, rules)
        except BuildFailed:  # the same will fail the build, with its own words
            return found
        for name in sorted(expansion.missing - known):
            found += warn(check, "UndefinedArgInFrom", head.span, name, did_you_mean(name, known))
        if head.platform and text == head.platform:
            found += _platform(head, expansion, arguments, check)
    return found


def _platform(head: From, expansion: Expansion, arguments: Mapping[str, str], check: Check) -> list[Warning]:
    if expansion.used == {"TARGETPLATFORM"} and not expansion.missing:
        if expansion.text == arguments["TARGETPLATFORM"]:
            return warn(check, "RedundantTargetPlatform", head.span, head.platform)
    elif not expansion.used and not expansion.missing:
        try:
            platform = split_platform(expansion.text)
        except InvalidInput:  # the same will fail the build, with its own words
            return []
        if platform.os not in head.stage and platform.architecture not in head.stage:
            return warn(check, "FromPlatformFlagConstDisallowed", head.span, quote(expansion.text))
    return []
