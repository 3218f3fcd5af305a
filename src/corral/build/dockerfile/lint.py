"""Lint: BuildKit's rules for good Dockerfiles, and which of them count (`# check=skip=A,B;error=true`). Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from corral.build.dockerfile.texts import boolean, quote
from corral.build.ops import Span, Warning
from corral.build.request import BuildFailed
from corral.model.container import Struct

_DOCS = "https://docs.docker.com/go/dockerfile/rule/"


class Rule(NamedTuple):
    """`text` is the message; its braces are filled in."""

    description: str
    text: str
    experimental: bool = False


RULES = {
    "StageNameCasing": Rule("Stage names should be lowercase", "Stage name '{}' should be lowercase"),
    "FromAsCasing": Rule(
        "The 'as' keyword should match the case of the 'from' keyword", "'{}' and '{}' keywords' casing do not match"
    ),
    "NoEmptyContinuation": Rule(
        "Empty continuation lines will become errors in a future release", "Empty continuation line"
    ),
    "ConsistentInstructionCasing": Rule(
        "All commands within the Dockerfile should use the same casing (either upper or lower)",
        "Command '{}' should match the case of the command majority ({})",
    ),
    "DuplicateStageName": Rule("Stage names should be unique", "Duplicate stage name {}, stage names should be unique"),
    "ReservedStageName": Rule(
        "Reserved words should not be used as stage names",
        "Stage name should not use the same name as reserved stage {}",
    ),
    "JSONArgsRecommended": Rule(
        "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals",
        "JSON arguments recommended for {} to prevent unintended behavior related to OS signals",
    ),
    "MaintainerDeprecated": Rule(
        "The MAINTAINER instruction is deprecated, use a label instead to define an image author",
        "Maintainer instruction is deprecated in favor of using label",
    ),
    "UndefinedArgInFrom": Rule("FROM command must use declared ARGs", "FROM argument '{}' is not declared{}"),
    "WorkdirRelativePath": Rule(
        "Relative workdir without an absolute workdir declared within the build can have unexpected results if the "
        "base image changes",
        "Relative workdir {} can have unexpected results if the base image changes",
    ),
    "UndefinedVar": Rule("Variables should be defined before their use", "Usage of undefined variable '${}'{}"),
    "MultipleInstructionsDisallowed": Rule(
        "Multiple instructions of the same type should not be used in the same stage",
        "Multiple {} instructions should not be used in the same stage because only the last one will be used",
    ),
    "LegacyKeyValueFormat": Rule(
        "Legacy key/value format with whitespace separator should not be used",
        '"{0} key=value" should be used instead of legacy "{0} key value" format',
    ),
    "InvalidBaseImagePlatform": Rule(
        "Base image platform does not match expected target platform",
        "Base image {} was pulled with platform {}, expected {} for current build",
    ),
    "RedundantTargetPlatform": Rule(
        "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior",
        "Setting platform to predefined {} in FROM is redundant as this is the default behavior",
    ),
    "SecretsUsedInArgOrEnv": Rule(
        "Sensitive data should not be used in the ARG or ENV commands",
        "Do not use ARG or ENV instructions for sensitive data ({} {})",
    ),
    "InvalidDefaultArgInFrom": Rule(
        "Default value for global ARG results in an empty or invalid base image name",
        "Default value for ARG {} results in empty or invalid base image name",
    ),
    "FromPlatformFlagConstDisallowed": Rule(
        "FROM --platform flag should not use a constant value",
        "FROM --platform flag should not use constant value {}",
    ),
    "CopyIgnoredFile": Rule(
        "Attempting to Copy file that is excluded by .dockerignore",
        "Attempting to {} file {} that is excluded by .dockerignore",
    ),
    "InvalidDefinitionDescription": Rule(
        "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is "
        "not intended to be a description comment, add an empty line or comment between the instruction and the "
        "comment.",
        "Comment for {} should follow the format: `# {} <description>`",
        experimental=True,
    ),
    "ExposeProtoCasing": Rule(
        "Protocol in EXPOSE instruction should be lowercase",
        "Defined protocol '{}' in EXPOSE instruction should be lowercase",
    ),
    "ExposeInvalidFormat": Rule(
        "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a "
        "future release",
        "EXPOSE instruction should not define an IP address or host-port mapping, found '{}'",
    ),
}


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


def violation(check: Check, warnings: list[Warning]) -> BuildFailed | None:
    """The failure that `error=true` makes of warnings.

    >>> violation(Check(error=True), warn(Check(), "NoEmptyContinuation", Span(4, 4))).message
    'lint violation found for rules: NoEmptyContinuation'
    """
    if not check.error or not warnings:
        return None
    return BuildFailed(f"lint violation found for rules: {', '.join(dict.fromkeys(w.rule for w in warnings))}")


_SECRET = re.compile(r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.I)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.I)


def is_secret(name: str) -> bool:
    """Does a variable's name sound like a secret?

    >>> is_secret("GITHUB_TOKEN"), is_secret("PUBLIC_KEY"), is_secret("MONKEY")
    (True, False, False)
    """
    return bool(_SECRET.search(name)) and not _NO_SECRET.search(name)
