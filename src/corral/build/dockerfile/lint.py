"""Lint: BuildKit's rules for good Dockerfiles, and which of them count (`# check=skip=A,B;error=true`). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from corral.build.dockerfile.rules import RULES
from corral.build.dockerfile.texts import boolean, quote
from corral.build.ops import Span, Warning
from corral.build.request import BuildFailed
from corral.model.container import Struct

_DOCS = "https://docs.docker.com/go/dockerfile/rule/"


class Check(Struct):
    """Which rules count, and whether a broken one fails the build."""

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    experimental: frozenset[str] = frozenset()
    experimental_all: bool = False
    error: bool = False

    def counts(self, rule: str) -> bool:
        """
        >>> Check(frozenset({"UndefinedVar"})).counts("UndefinedVar"), Check().counts("InvalidDefinitionDescription")
        (False, False)
        """
        if RULES[rule].experimental:
            return self.experimental_all or rule in self.experimental
        return not self.skip_all and rule not in self.skip

    def merged(self, other: Check) -> Check:
        """With what a comment above one instruction adds."""
        return Check(
            self.skip | other.skip,
            self.skip_all or other.skip_all,
            self.experimental | other.experimental,
            self.experimental_all or other.experimental_all,
            self.error,
        )


def plan_check(directive: str, given: Mapping[str, str]) -> Check:
    """What the Dockerfile says, or the build argument that stands for it.

    >>> plan_check("skip=all", {}).skip_all, plan_check("skip=all", {"BUILDKIT_DOCKERFILE_CHECK": "error=true"})
    (True, Check(skip=frozenset(), skip_all=False, experimental=frozenset(), experimental_all=False, error=True))
    """
    return parse_check(given.get("BUILDKIT_DOCKERFILE_CHECK") or directive)


_OPTION = re.compile(r"check\s*=\s*(\S+)", re.IGNORECASE)


def for_comments(check: Check, comments: list[str]) -> Check:
    """The rules that count for an instruction below these comments."""
    for comment in comments:
        if found := _OPTION.match(comment):
            try:
                return check.merged(parse_check(found[1]))
            except BuildFailed:  # what is written beside a single instruction is no reason to fail
                return check
    return check


def parse_check(text: str) -> Check:
    """`skip=A,B;error=true`. BuildFailed, in BuildKit's words, for anything else.

    >>> parse_check("skip=all;experimental=InvalidDefinitionDescription;error=true").error
    True
    >>> parse_check("ignore=all")
    Traceback (most recent call last):
    corral.build.request.BuildFailed: failed to parse check options: invalid check option "ignore"
    """
    found = Check()
    for part in text.strip().split(";", 2) if text.strip() else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals:
            raise BuildFailed(f"failed to parse check options: invalid check option {quote(part)}")
        if key == "error":
            found.error = _error(part, value)
        elif key in ("skip", "experimental"):
            setattr(found, f"{key}_all" if value == "all" else key, value == "all" or _names(value))
        else:
            raise BuildFailed(f"failed to parse check options: invalid check option {quote(key)}")
    return found


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip() for name in text.split(","))


def _error(part: str, value: str) -> bool:
    found = boolean(value)
    if found is None:
        raise BuildFailed(
            f"failed to parse check options: failed to parse check option {quote(part)}: "
            f"strconv.ParseBool: parsing {quote(value)}: invalid syntax"
        )
    return found


def warn(check: Check, rule: str, span: Span, *values: str) -> list[Warning]:
    """The warning, or none if the rule does not count here.

    >>> warn(Check(), "StageNameCasing", Span(1, 1), "Build")[0].detail
    "Stage name 'Build' should be lowercase"
    """
    if not check.counts(rule):
        return []
    found = RULES[rule]
    return [Warning(rule, found.description, url(rule), found.text.format(*values), span)]


def url(rule: str) -> str:
    """
    >>> url("JSONArgsRecommended")
    'https://docs.docker.com/go/dockerfile/rule/json-args-recommended/'
    """
    if rule == "InvalidBaseImagePlatform":
        return ""
    return f"{_DOCS}{re.sub(r'(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])', '-', rule).lower()}/"


def line(warning: Warning) -> str:
    """As BuildKit's progress shows it.

    >>> line(warn(Check(), "NoEmptyContinuation", Span(4, 4))[0])
    'NoEmptyContinuation: Empty continuation line (line 4)'
    """
    return f"{warning.rule}: {warning.detail} (line {warning.span.first})"


class Violation(BuildFailed):
    """Nothing is wrong but what `error=true` takes for wrong."""


def violation(check: Check, warnings: list[Warning]) -> Violation | None:
    """The failure that `error=true` makes of warnings.

    >>> violation(Check(error=True), warn(Check(), "NoEmptyContinuation", Span(4, 4))).message
    'lint violation found for rules: NoEmptyContinuation'
    """
    if not check.error or not warnings:
        return None
    return Violation(f"lint violation found for rules: {', '.join(dict.fromkeys(w.rule for w in warnings))}")


_SECRET = re.compile(r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.I)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.I)


def is_secret(name: str) -> bool:
    """Does a variable's name sound like a secret?

    >>> is_secret("GITHUB_TOKEN"), is_secret("PUBLIC_KEY"), is_secret("MONKEY")
    (True, False, False)
    """
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)
