"""Which stages there are, and which are needed."""

from __future__ import annotations

from typing import Any

import pytest

from corral.build.dockerfile.parse import parse
from corral.build.dockerfile.plan import Plan, plan_stages
from corral.build.ops import Span
from corral.build.request import BuildFailed, BuildRequest

OWN = "linux/amd64"


def plan(text: str, *, every: bool = False, **request: Any) -> Plan:
    return plan_stages(parse(text), BuildRequest(**request), OWN, every=every)


def refusal(text: str, **request: Any) -> tuple[str, Span | None]:
    with pytest.raises(BuildFailed) as caught:
        plan(text, **request)
    return caught.value.message, caught.value.span


CHAIN = """
FROM a AS base
FROM base AS one
FROM b AS unused
FROM c AS two
COPY --from=ONE /x /x
RUN --mount=from=base,target=/m make
FROM scratch
COPY --from=3 /x /
COPY --from=docker.io/library/tools /t /
"""


def test_only_what_the_target_needs() -> None:
    found = plan(CHAIN)
    assert (found.target, found.needed) == (4, [0, 1, 3, 4])
    assert [stage.base for stage in found.stages] == [
        "image:docker.io/library/a:latest", "stage:0", "image:docker.io/library/b:latest",
        "image:docker.io/library/c:latest", "scratch",
    ]  # fmt: skip
    assert found.images == [f"image:docker.io/library/{name}:latest" for name in ("a", "c", "tools")]
    assert [stage.shown for stage in found.stages] == ["base", "one", "unused", "two", "stage-4"]
    assert [stage.total for stage in found.stages] == [1, 0, 1, 3, 2]


@pytest.mark.parametrize(("target", "needed"), [("ONE", [0, 1]), ("unused", [2]), ("0", [0]), ("4", [0, 1, 3, 4])])
def test_targets(target: str, needed: list[int]) -> None:
    assert plan(CHAIN, target=target).needed == needed


def test_a_check_needs_every_stage() -> None:
    assert plan(CHAIN, every=True).needed == [0, 1, 2, 3, 4]


def test_an_only_stage_has_no_name_unless_it_takes_from_elsewhere() -> None:
    assert plan("FROM a AS b\nRUN x").stages[0].shown == ""
    assert plan("FROM a\nCOPY --from=b x y").stages[0].shown == "stage-0"
    assert plan("FROM a\nRUN --mount=type=cache,target=/c x").stages[0].shown == "stage-0"


def test_the_last_of_a_name_is_copied_from_but_the_last_before_is_stood_on() -> None:
    found = plan("FROM a AS x\nFROM b AS x\nFROM x AS y\nFROM scratch\nCOPY --from=x . .")
    assert (found.stages[2].base, found.stages[3].origins) == ("stage:1", ["stage:1"])


@pytest.mark.parametrize(
    ("text", "request_", "message", "line"),
    [
        ("ARG a", {}, "dockerfile contains no stages to build", None),
        ("RUN a\nFROM b", {}, "no build stage in current context", 1),
        ("FROM a AS build", {"target": "bild"}, 'target stage "bild" could not be found (did you mean build?)', None),
        ("FROM a", {"target": "7"}, 'target stage "7" could not be found', None),
        ("FROM $x", {}, "base name ($x) should not be blank", 1),
        ("FROM Foo", {},
         'failed to parse stage name "Foo": invalid reference format: repository name (library/Foo) must '
         "be lowercase", 1),
        ("FROM a\nCOPY --from=x/UP . .", {}, 'failed to parse stage name "x/UP": invalid reference format: repository '
         "name (x/UP) must be lowercase", 2),
        ("FROM a\nCOPY --from=3 . .", {}, "invalid stage index 3", 2),
        ("FROM a\nCOPY --from=$x . .", {}, "variable expansion is not supported for --from, define a new stage with "
         "FROM using ARG from global scope as a workaround", 2),
        ("FROM a AS x\nCOPY --from=y . .\nFROM b AS y\nCOPY --from=x . .", {},
         "circular dependency detected on stage: x", 1),
        ("FROM a AS x\nCOPY --from=x . .", {}, "circular dependency detected on stage: x", 1),
        ("FROM --platform=$TARGETPLATFROM a", {}, "empty platform value from expression $TARGETPLATFROM (did you mean "
         "TARGETPLATFORM?)", 1),
        ("FROM --platform=linux/arm64 a", {}, "platform linux/arm64 is not supported: this builder makes images for "
         "linux/amd64 only", 1),
        ("FROM a", {"platform": "linux/arm64"}, "platform linux/arm64 is not supported: this builder makes images for "
         "linux/amd64 only", None),
        ("#syntax=me/own:1\nFROM a", {}, "unsupported frontend me/own:1: only docker/dockerfile is built in, and "
         "frontends are not run from images", 1),
        ("FROM a", {"build_args": {"SOURCE_DATE_EPOCH": "context"}}, "invalid SOURCE_DATE_EPOCH: context: only a "
         "number of seconds is supported", None),
        ("ARG a=${\nFROM b", {}, "failed to process \"${\": syntax error: missing '}'", 1),
        ("# check=foo\nFROM a", {}, 'failed to parse check options: invalid check option "foo"', None),
    ],
)  # fmt: skip
def test_refusals(text: str, request_: dict[str, Any], message: str, line: int | None) -> None:
    found, span = refusal(text, **request_)
    assert found.startswith(message)
    assert (span.first if span else None) == line


def test_a_foreign_platform_that_is_not_needed_does_no_harm() -> None:
    assert plan("FROM --platform=windows/amd64 a AS w\nFROM --platform=$BUILDPLATFORM b").needed == [1]


def test_global_arguments() -> None:
    found = plan("ARG a=1 b=$a c\nARG d=${e:-5}\nFROM img:$a-$b-$c-$d", build_args={"a": "9", "c": None, "x": "y"})
    assert found.stages[0].base == "image:docker.io/library/img:9-9--5"
    assert found.given == {"a": "9", "x": "y"}


def test_predefined_arguments_can_be_given() -> None:
    found = plan("FROM a:$TARGETARCH-$TARGETSTAGE AS b", build_args={"TARGETARCH": "riscv64"})
    assert found.stages[0].base == "image:docker.io/library/a:riscv64-b"


def test_named_contexts_stand_in_for_images_and_stages() -> None:
    text = "FROM busybox AS one\nRUN x\nFROM one AS two\nFROM two\nCOPY --from=one a b\nCOPY --from=alpine:3 a b"
    contexts = {"two": "/dir", "alpine:3": "docker-image://other", "busybox": "docker-image://scratch"}
    found = plan(text, contexts=contexts)
    assert [stage.base for stage in found.stages] == ["scratch", "context:two", "stage:1"]
    assert (found.stages[1].replaced, found.stages[1].instructions) == (True, [])
    assert found.stages[2].origins == ["stage:0", "image:docker.io/library/other:latest"]
    assert found.images == ["context:two", "image:docker.io/library/other:latest"]


def test_onbuild_of_a_stage_is_run_by_the_stage_on_it() -> None:
    found = plan("FROM a AS b\nONBUILD COPY --from=c x y\nFROM d AS c\nFROM b\nRUN z")
    last = found.stages[2]
    assert [i.name for i in last.instructions] == ["COPY", "RUN"]
    assert (last.instructions[0].trigger, last.instructions[0].span, last.total) == (True, Span(4, 4), 2)
    assert found.needed == [0, 1, 2]


def test_warnings_are_told_with_a_failure() -> None:
    with pytest.raises(BuildFailed) as caught:
        plan("FROM a AS B\nFROM $nothing")
    assert [w.rule for w in caught.value.warnings] == [
        "StageNameCasing",
        "InvalidDefaultArgInFrom",
        "UndefinedArgInFrom",
    ]


def test_arguments_that_nothing_asks_for() -> None:
    arguments = {"a": "1", "b": "2", "c": "3", "d": "4", "HTTP_PROXY": "p", "TARGETARCH": "x"}
    assert plan("ARG a\nFROM i AS s\nARG b\nFROM i\nARG c", build_args=arguments).unconsumed == ["d"]


def test_epoch_and_proxies() -> None:
    found = plan("FROM a", build_args={"SOURCE_DATE_EPOCH": "7", "https_proxy": "p"})
    assert (found.epoch, found.proxies) == (7, ["HTTPS_PROXY=p", "https_proxy=p"])
