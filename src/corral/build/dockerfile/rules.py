"""Rules: what BuildKit's linter says of a Dockerfile, word for word."""

from __future__ import annotations

from typing import NamedTuple


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
