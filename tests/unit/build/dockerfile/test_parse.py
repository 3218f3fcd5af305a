"""What instructions say, and how mistakes are told."""

from __future__ import annotations

from typing import Any

import pytest

from corral.build.dockerfile import instructions as kinds
from corral.build.dockerfile.parse import parse
from corral.build.ops import Span
from corral.build.request import BuildFailed


def one(text: str) -> Any:
    return parse(text).instructions[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("RUNN x", "unknown instruction: RUNN (did you mean RUN?)"),
        ("runn x", "unknown instruction: runn (did you mean run?)"),
        ("XYZZY", "unknown instruction: XYZZY"),
        ("FROM a b", "FROM requires either one or three arguments"),
        ("FROM a AS 1b", 'invalid name for build stage: "1b", name can\'t start with a number or contain symbols'),
        ("FROM --platfrom=x a", "unknown flag: --platfrom (did you mean platform?)"),
        ("COPY a", "COPY requires at least two arguments, but only one was provided. Destination could not be "
         "determined"),
        ("COPY --link=maybe a b", "expecting boolean value for flag --link, not: maybe"),
        ("COPY --from a b", "missing a value on flag: --from"),
        ("COPY --from=a --from=b a b", "duplicate flag specified: --from"),
        ("ADD --from=a a b", "unknown flag: --from"),
        ("COPY a <<E\nE", "COPY cannot accept a heredoc as a destination"),
        ("ENV", "ENV requires at least one argument"),
        ("ENV =a", "ENV names can not be blank"),
        ("ARG =a", "ARG names can not be blank"),
        ("WORKDIR", "WORKDIR requires exactly one argument"),
        ("SHELL bash", "SHELL requires the arguments to be in JSON form"),
        ("SHELL []", "SHELL requires at least one argument"),
        ("VOLUME [\" \"]", "VOLUME specified can not be an empty string"),
        ("ONBUILD ONBUILD RUN a", "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
        ("ONBUILD from a", "FROM isn't allowed as an ONBUILD trigger"),
        ("ONBUILD MAINTAINER a", "MAINTAINER isn't allowed as an ONBUILD trigger"),
        ("HEALTHCHECK NONE x", "HEALTHCHECK NONE takes no arguments"),
        ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
        ("HEALTHCHECK ASK x", 'Unknown type "ASK" in HEALTHCHECK (try CMD)'),
        ("HEALTHCHECK --interval=1us CMD x", 'Interval "interval" cannot be less than 1ms'),
        (f"HEALTHCHECK --timeout={'9' * 400}h CMD x", f'time: invalid duration "{"9" * 400}h"'),
        ("HEALTHCHECK --interval=1 CMD x", 'time: missing unit in duration "1"'),
        ("HEALTHCHECK --interval=1x CMD x", 'time: unknown unit "x" in duration "1x"'),
        ("HEALTHCHECK --retries=x CMD x", 'strconv.ParseInt: parsing "x": invalid syntax'),
        ("HEALTHCHECK --retries=-1 CMD x", "--retries cannot be negative (-1)"),
        ("RUN --network=lan x", 'invalid network mode "lan"'),
        ("RUN --security=none x", 'security "none" is not valid'),
        ("RUN --mount=from=$x,target=/a x", "'from' doesn't support variable expansion, define alias stage instead"),
        ("RUN --device=gpu x", "RUN --device is not supported: builds have no CDI devices"),
    ],
)  # fmt: skip
def test_errors(text: str, message: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        parse(f"# note\n{text}")
    assert caught.value.message == f"dockerfile parse error on line 2: {message}"
    assert caught.value.span == Span(2, 2 + text.count("\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the Dockerfile cannot be empty"),
        ("# only\n\n", "file with no instructions"),
        ("ENV a", "ENV must have two arguments"),
        ("LABEL a=b c", 'Syntax error - can\'t find = in "c". Must be of the form: name=value'),
        ("CMD [1]", "when using JSON array syntax, arrays must be comprised of strings only"),
        ("# escape=x\nRUN a", "invalid escape token 'x' does not match ` or \\"),
        ("# escape=`\n# escape=`\nRUN a", "only one escape parser directive can be used"),
    ],
)
def test_errors_of_the_text(text: str, message: str) -> None:
    with pytest.raises(BuildFailed) as caught:
        parse(text)
    assert caught.value.message == message


def test_shell_and_json_form() -> None:
    assert one("CMD a  b").command == kinds.CommandLine(["a  b"], shell=True)
    assert one('CMD ["a", "b c"]').command == kinds.CommandLine(["a", "b c"], shell=False)
    assert one("CMD ['a']").command == kinds.CommandLine(["['a']"], shell=True)
    assert one("ENTRYPOINT []").command == kinds.CommandLine([], shell=False)
    assert one("RUN [ -f x ] && y").command.shell


def test_from() -> None:
    found = one("FROM --platform=$P img:1 As Build")
    assert (found.base, found.stage, found.platform, found.keyword) == ("img:1", "build", "$P", "As")


def test_env_both_ways() -> None:
    assert [tuple(p) for p in one('ENV a="x y" b=\\ c d=').pairs] == [
        ("a", '"x y"', False), ("b", "\\ c", False), ("d", "", False),
    ]  # fmt: skip
    assert [tuple(p) for p in one("ENV a x  y").pairs] == [("a", "x  y", True)]


def test_arg() -> None:
    assert one('ARG a b= c="x y"').names == [("a", None), ("b", ""), ("c", '"x y"')]


def test_copy() -> None:
    found = one("COPY --from=b --chown=1:2 --chmod=755 --link --parents --exclude=*.md --exclude=x a b /c/")
    assert (found.origin, found.chown, found.chmod, found.link, found.parents) == ("b", "1:2", "755", True, True)
    assert (found.exclude, found.sources, found.target) == (["*.md", "x"], ["a", "b"], "/c/")
    assert one('COPY ["a b", "/c"]').sources == ["a b"]
    assert one("COPY -- --x /c").sources == ["--x"]


def test_add() -> None:
    found = one("ADD --checksum=sha256:0 --keep-git-dir --unpack=false https://x/y /z")
    assert (found.add, found.checksum, found.keep_git_dir, found.unpack) == (True, "sha256:0", True, False)
    assert one("ADD a b").unpack is None


def test_run_flags() -> None:
    found = one("RUN --mount=type=cache,target=/c --mount=type=ssh --network=none --security=insecure make")
    assert (len(found.mounts), found.network, found.security) == (2, "none", "insecure")


def test_healthcheck() -> None:
    check = one("HEALTHCHECK --interval=1m --start-interval=2s --retries=3 CMD curl x").check
    assert (check.test, check.interval, check.start_interval, check.retries) == (
        ["CMD-SHELL", "curl x"], 60 * 10**9, 2 * 10**9, 3,
    )  # fmt: skip
    assert one('HEALTHCHECK CMD ["a"]').check.test == ["CMD", "a"]
    assert one("HEALTHCHECK none").check.test == ["NONE"]


def test_onbuild_keeps_heredocs() -> None:
    assert one("onbuild RUN <<E\na\nE\n").expression == "RUN <<E\na\nE"


def test_directives() -> None:
    directives = parse("# syntax = docker/dockerfile:1\n# escape=`\n# check=error=true\nFROM a").directives
    assert (directives.syntax, directives.escape, directives.check) == ("docker/dockerfile:1", "`", "error=true")
    assert parse("# note\n# escape=`\nFROM a").directives.escape == "\\"
