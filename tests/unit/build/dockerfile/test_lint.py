"""Warnings: each rule once broken, once kept."""

from __future__ import annotations

from typing import Any

import pytest

from corral.build.dockerfile import Base, evaluate_plan, parse, plan_stages
from corral.build.dockerfile.lint import RULES, Check
from corral.build.request import BuildFailed, BuildRequest
from corral.images.platforms import Platform
from corral.model.image import ImageConfig

BROKEN = [
    ("FROM a AS Big", "StageNameCasing", "Stage name 'Big' should be lowercase", 1),
    ("FROM a as b", "FromAsCasing", "'as' and 'FROM' keywords' casing do not match", 1),
    ("FROM a\nRUN b \\\n\n c", "NoEmptyContinuation", "Empty continuation line", 4),
    ("FROM a\nRUN b\nuser c", "ConsistentInstructionCasing",
     "Command 'user' should match the case of the command majority (uppercase)", 3),
    ("from a\nrun b\nUser c", "ConsistentInstructionCasing",
     "Command 'User' should match the case of the command majority (lowercase)", 3),
    ("FROM a AS b\nFROM a AS b", "DuplicateStageName", 'Duplicate stage name "b", stage names should be unique', 2),
    ("FROM a AS scratch", "ReservedStageName",
     'Stage name should not use the same name as reserved stage "scratch"', 1),
    ("FROM a\nCMD b", "JSONArgsRecommended",
     "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals", 2),
    ("FROM a\nMAINTAINER b", "MaintainerDeprecated", "Maintainer instruction is deprecated in favor of using label", 2),
    ("ARG ver=1\nFROM a:1$vor", "UndefinedArgInFrom", "FROM argument 'vor' is not declared (did you mean ver?)", 2),
    ("FROM a\nWORKDIR b", "WorkdirRelativePath",
     'Relative workdir "b" can have unexpected results if the base image changes', 2),
    ("FROM a\nENV b=$PAHT", "UndefinedVar", "Usage of undefined variable '$PAHT' (did you mean $PATH?)", 2),
    ('FROM a\nCMD ["b"]\nCMD ["c"]', "MultipleInstructionsDisallowed",
     "Multiple CMD instructions should not be used in the same stage because only the last one will be used", 2),
    ("FROM a\nENV b c", "LegacyKeyValueFormat",
     '"ENV key=value" should be used instead of legacy "ENV key value" format', 2),
    ("FROM --platform=$TARGETPLATFORM a", "RedundantTargetPlatform",
     "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior", 1),
    ("FROM a\nARG MY_TOKEN", "SecretsUsedInArgOrEnv",
     'Do not use ARG or ENV instructions for sensitive data (ARG "MY_TOKEN")', 2),
    ("ARG tag\nFROM a:$tag", "InvalidDefaultArgInFrom",
     "Default value for ARG a:$tag results in empty or invalid base image name", 2),
    ("FROM --platform=linux/amd64 a", "FromPlatformFlagConstDisallowed",
     'FROM --platform flag should not use constant value "linux/amd64"', 1),
    ("FROM a\nCOPY secret.txt /", "CopyIgnoredFile",
     'Attempting to Copy file "secret.txt" that is excluded by .dockerignore', 2),
    ("# check=experimental=all\n\n# wrong\nARG a\nFROM b", "InvalidDefinitionDescription",
     "Comment for ARG should follow the format: `# a <description>`", 4),
    ("FROM a\nEXPOSE 80/TCP", "ExposeProtoCasing",
     "Defined protocol '80/TCP' in EXPOSE instruction should be lowercase", 2),
    ("FROM a\nEXPOSE 80:90", "ExposeInvalidFormat",
     "EXPOSE instruction should not define an IP address or host-port mapping, found '80:90'", 2),
    ("FROM a\nEXPOSE 1", "InvalidBaseImagePlatform", 'Base image docker.io/library/a:latest was pulled with platform '
     '"linux/s390x", expected "linux/amd64" for current build', 1),
]  # fmt: skip

KEPT = [
    "FROM a AS b\nRUN c",
    "from a as b\nrun c",
    "FROM a\nWORKDIR /x\nWORKDIR y",
    "FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y",
    'FROM a\nSHELL ["bash", "-c"]\nCMD x',
    "FROM a\nARG x\nENV y=$x PUBLIC_KEY=1 KEY_FILE=/k",
    "FROM a\nRUN echo $anything",
    "FROM --platform=$BUILDPLATFORM a",
    "FROM --platform=linux/amd64 a AS for-amd64",
    "FROM a\nCOPY . /x",
    "FROM a AS b\nCOPY --from=c secret.txt /",
    'FROM a AS b\nCMD ["c"]\nFROM b\nCMD ["d"]',
    "# wrong\nARG a\nFROM b",
    "# check=experimental=all\n# a is good\nARG a\nFROM b",
    "ARG t=1\nFROM a:$t",
]


def rules(text: str, platform: str = "amd64", **request: Any) -> list[tuple[str, str, int]]:
    plan = plan_stages(parse(text), BuildRequest(**request), "linux/amd64", ignore=["secret.txt"], every=True)
    base = Base(ImageConfig(), platform=Platform("linux", platform))
    return [(w.rule, w.detail, w.span.first) for w in evaluate_plan(plan, dict.fromkeys(plan.images, base)).warnings]


@pytest.mark.parametrize(("text", "rule", "detail", "line"), BROKEN)
def test_broken(text: str, rule: str, detail: str, line: int) -> None:
    platform = "s390x" if rule == "InvalidBaseImagePlatform" else "amd64"
    arguments = {"tag": "1"} if "tag" in text else {}
    found = rules(text, platform, build_args=arguments)
    assert [f for f in found if f[0] == rule] == [(rule, detail, line)]


def test_every_rule_is_tried() -> None:
    assert {rule for _, rule, _, _ in BROKEN} == set(RULES)


@pytest.mark.parametrize("text", KEPT)
def test_kept(text: str) -> None:
    assert rules(text) == []


def test_rules_can_be_skipped() -> None:
    assert rules("# check=skip=StageNameCasing,JSONArgsRecommended\nFROM a AS B\nCMD x") == []
    assert rules("# check=skip=all\nFROM a AS B\nCMD x") == []
    assert rules("FROM a\n# check=skip=JSONArgsRecommended\nCMD x") == []
    assert len(rules("FROM a\n# check=skip=UndefinedVar\nCMD x")) == 1


def test_warnings_can_be_errors() -> None:
    with pytest.raises(BuildFailed) as caught:
        rules("# check=error=true\nFROM a AS B\nCMD x")
    assert caught.value.message == "lint violation found for rules: StageNameCasing, JSONArgsRecommended"
    assert [w.rule for w in caught.value.warnings] == ["StageNameCasing", "JSONArgsRecommended"]


def test_a_build_argument_stands_for_the_directive() -> None:
    given = BuildRequest(build_args={"BUILDKIT_DOCKERFILE_CHECK": "skip=StageNameCasing;error=true"})
    plan = plan_stages(parse("# check=skip=all\nFROM a AS B\nCMD x"), given, "linux/amd64")
    assert plan.check == Check(skip=frozenset({"StageNameCasing"}), error=True)
    assert plan.unconsumed == []
