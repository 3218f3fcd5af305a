"""What is said of a mistake: by `corral build` in BuildKit's words, by `docker build` in the classic builder's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.compat.build.builds import Builds
from tests.support.instance import Instance, instance
from tests.support.ports import free_port

pytestmark = [pytest.mark.root, pytest.mark.timeout(120)]


class Mistake(NamedTuple):
    """`said` is what stands behind "failed to solve: "; `classic` is Docker's, the same where it is "". The excerpt
    marks `lines`."""

    text: str
    said: str
    classic: str = ""
    lines: tuple[int, ...] = (2,)


B = "FROM busybox\n"
LINE = "dockerfile parse error on line 2: "
CHECKSUM = "failed to compute cache key: failed to calculate checksum of ref"
STAT = "COPY failed: file not found in build context or excluded by .dockerignore: stat"
MISTAKES = (
    # instructions, flags, counts
    Mistake(B + "FOO x", LINE + "unknown instruction: FOO (did you mean FROM?)"),
    Mistake(B + "XYZZY", LINE + "unknown instruction: XYZZY"),
    Mistake(B + "COPY --frm=x a /", LINE + "unknown flag: --frm (did you mean from?)"),
    Mistake(B + "COPY --from=a --from=b a /", LINE + "duplicate flag specified: --from"),
    Mistake(B + "COPY --from a /", LINE + "missing a value on flag: --from"),
    Mistake(B + "COPY --link=perhaps a /", LINE + "expecting boolean value for flag --link, not: perhaps"),
    Mistake(B + "ADD a", LINE + "ADD requires at least two arguments, but only one was provided. Destination could not "
            "be determined"),
    Mistake(B + "ENV", LINE + "ENV requires at least one argument"),
    Mistake(B + "USER", LINE + "USER requires exactly one argument"),
    Mistake("FROM a b c", "dockerfile parse error on line 1: FROM requires either one or three arguments", lines=(1,)),
    Mistake("FROM busybox AS 1a", 'dockerfile parse error on line 1: invalid name for build stage: "1a", name can\'t '
            "start with a number or contain symbols", lines=(1,)),
    # the text itself, of which the classic builder says whose it is
    Mistake("# x", "file with no instructions", "failed to parse Dockerfile: file with no instructions", (1,)),
    Mistake(B + "ENV a", "ENV must have two arguments", "failed to parse Dockerfile: ENV must have two arguments"),
    Mistake(B + "LABEL a=1 b", 'Syntax error - can\'t find = in "b". Must be of the form: name=value',
            'failed to parse Dockerfile: Syntax error - can\'t find = in "b". Must be of the form: name=value'),
    Mistake(B + "CMD [1]", "when using JSON array syntax, arrays must be comprised of strings only",
            "failed to parse Dockerfile: when using JSON array syntax, arrays must be comprised of strings only"),
    Mistake(B + "RUN <<EOF\necho", "unterminated heredoc", "failed to parse Dockerfile: unterminated heredoc", (2, 3)),
    Mistake("# escape=x\nFROM a", "invalid escape token 'x' does not match ` or \\",
            "failed to parse Dockerfile: invalid escape token 'x' does not match ` or \\", (1,)),
    Mistake("RUN x", "no build stage in current context", lines=(1,)),
    # values
    Mistake(B + "EXPOSE x", "invalid containerPort: x"),
    Mistake(B + "EXPOSE 90-80", "invalid containerPort: 90-80"),
    Mistake(B + "EXPOSE 80/abc", 'invalid port: "80/abc": invalid proto: abc'),
    Mistake(B + "EXPOSE 1.2.3:80:80", "invalid IP address: 1.2.3"),
    Mistake(B + "HEALTHCHECK CMD", LINE + "Missing command after HEALTHCHECK CMD"),
    Mistake(B + "HEALTHCHECK --interval=x CMD a", LINE + 'time: invalid duration "x"'),
    Mistake(B + "HEALTHCHECK --retries=-1 CMD a", LINE + "--retries cannot be negative (-1)"),
    Mistake(B + "ONBUILD FROM x", LINE + "FROM isn't allowed as an ONBUILD trigger"),
    Mistake(B + "ONBUILD ONBUILD RUN x", LINE + "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"),
    Mistake(B + "ENV a=${b:?}", 'failed to process "${b:?}": b: is not allowed to be unset'),
    Mistake(B + 'LABEL a="x', r'failed to process "\"x": unexpected end of statement while looking for matching '
            "double-quote"),
    Mistake("ARG X\nFROM $X", "base name ($X) should not be blank"),
    Mistake("FROM --platform=wat busybox", 'failed to parse platform wat: "wat": unknown operating system or '
            "architecture: invalid argument", lines=(1,)),
    Mistake("FROM --platform=$NO busybox", "empty platform value from expression $NO", lines=(1,)),
    Mistake("FROM BusyBox", 'failed to parse stage name "BusyBox": invalid reference format: repository name '
            "(library/BusyBox) must be lowercase", lines=(1,)),
    Mistake(B + "COPY --chmod=abc a /", "invalid chmod parameter: 'abc'. it should be octal string and between 0 and "
            "07777"),
    # mounts
    Mistake(B + "RUN --mount=type=cash,target=/x x", 'unsupported mount type "cash" (did you mean cache?)'),
    Mistake(B + "RUN --mount=type=bind,foo=/x x", "unexpected key 'foo' in 'foo=/x' (did you mean from?)"),
    Mistake(B + "RUN --mount=type=cache x", 'invalid mount target "/"'),
    Mistake(B + "RUN --mount=type=secret,from=x,id=a x", "secret mount should not have a from"),
    Mistake(B + "RUN --mount=from=$x,target=/a x", LINE + "'from' doesn't support variable expansion, define alias "
            "stage instead"),
    Mistake(B + "RUN --network=lan x", LINE + 'invalid network mode "lan"'),
    # names of stages and files
    Mistake(B + "COPY --from=5 /a /", "invalid stage index 5"),
    Mistake("FROM busybox AS a\nCOPY --from=a /a /", "circular dependency detected on stage: a", lines=(1,)),
    Mistake(B + "COPY http://x/y /", "source can't be a URL for COPY"),
    Mistake(B + "COPY nope /", f'{CHECKSUM} context: "/nope": not found', f"{STAT} nope: file does not exist"),
    Mistake(f"FROM busybox AS a\n{B}COPY --from=a /nope /", f'{CHECKSUM} stage-0: "/nope": not found',
            "COPY failed: stat nope: file does not exist", (3,)),
    Mistake("FROM REGISTRY/nope:1", "REGISTRY/nope:1: failed to resolve source metadata for REGISTRY/nope:1: "
            "REGISTRY/nope:1: not found", "manifest for REGISTRY/nope:1 not found: manifest "
            "unknown: manifest unknown to registry: 1",
            (1,)),
    Mistake(B + "COPY --from=REGISTRY/nope /a /", "REGISTRY/nope: failed to resolve source metadata for "
            "REGISTRY/nope:latest: REGISTRY/nope:latest: not found", "invalid from flag value REGISTRY/nope: "
            "manifest for REGISTRY/nope:latest not found: manifest unknown: manifest unknown to registry: latest"),
    # processes
    Mistake(B + "RUN exit 7", 'process "/bin/sh -c exit 7" did not complete successfully: exit code: 7',
            "The command '/bin/sh -c exit 7' returned a non-zero code: 7"),
)  # fmt: skip


@pytest.fixture(scope="module")
def registry() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def engine(registry: str) -> Iterator[Instance]:
    with instance("--registry", registry) as subject:
        yield subject
        subject.remove_everything()


@pytest.fixture
def build(engine: Instance, tmp_path: Path) -> Builds:
    (tmp_path / "context").mkdir()
    return Builds(engine, tmp_path / "context")


def marked(report: str) -> tuple[int, ...]:
    """The lines that an excerpt points at."""
    return tuple(int(line.split("|")[0]) for line in report.splitlines() if "| >>>" in line)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[mistake.text.splitlines()[-1] for mistake in MISTAKES])
def test_in_buildkit_s_words_and_in_docker_s(build: Builds, registry: str, mistake: Mistake) -> None:
    text, said, classic = (words.replace("REGISTRY", registry) for words in mistake[:3])
    done = build(text, ok=False, a="1")
    assert done.stderr.splitlines()[-1] == f"ERROR: failed to build: failed to solve: {said}"
    assert marked(done.stderr) == mistake.lines
    assert f"Dockerfile:{mistake.lines[0]}\n--------------------\n" in done.stderr
    old = build.engine.docker("build", ".", cwd=build.folder, env={"DOCKER_BUILDKIT": "0"})
    assert old.returncode != 0
    assert old.stderr.splitlines()[-1].removeprefix("Error response from daemon: ") == (classic or said)


def test_no_dockerfile_at_all(build: Builds) -> None:
    query = {"dockerfile": "sub/Dockerfile"}
    empty = build.engine.post("/build", bytes(1024), query=query)
    assert (empty.status, empty.message) == (400, "Cannot locate specified Dockerfile: sub/Dockerfile")


def test_small_letters(build: Builds) -> None:
    (build.folder / "dockerfile").write_text("FROM busybox\n")
    build("FROM busybox\n")
    (build.folder / "Dockerfile").unlink()
    done = build.engine.corral("build", str(build.folder), check=False)
    assert done.returncode == 0, done.stderr
