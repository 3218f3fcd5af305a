"""Instructions: what a Dockerfile's lines say, before any variable is filled in."""

from __future__ import annotations

from typing import Literal

from corral.build.dockerfile.heredocs import Heredoc
from corral.build.dockerfile.words import Pair
from corral.build.ops import Span
from corral.model.container import HealthCheck, Struct


class Instruction(Struct, kw_only=True):
    """`name` is as it was written ("RUN", "run"), `text` the whole instruction on one line, `comments` stand above it.

    `trigger`: it comes from an ONBUILD of the base.
    """

    name: str
    text: str
    span: Span
    comments: list[str] = []
    trigger: bool = False


class From(Instruction, kw_only=True):
    base: str
    stage: str = ""  # lower case
    platform: str = ""
    keyword: str = ""  # "AS", as it was written
    written: str = ""  # the stage's name, as it was written


class Arg(Instruction, kw_only=True):
    names: list[tuple[str, str | None]]


class Env(Instruction, kw_only=True):
    pairs: list[Pair]


class Label(Instruction, kw_only=True):
    pairs: list[Pair]


class CommandLine(Struct):
    """`shell`: it is one line for the shell. Otherwise every word is an argument."""

    words: list[str]
    shell: bool


class Run(Instruction, kw_only=True):
    """`mounts` are the flags' texts: they are read when their variables are known."""

    command: CommandLine
    heredocs: list[Heredoc] = []
    mounts: list[str] = []
    network: Literal["default", "none", "host"] = "default"
    security: str = "sandbox"


class Cmd(Instruction, kw_only=True):
    command: CommandLine


class Entrypoint(Instruction, kw_only=True):
    command: CommandLine


class Copy(Instruction, kw_only=True):
    """COPY, and ADD with `add`."""

    sources: list[str]
    target: str
    add: bool = False
    origin: str = ""
    heredocs: list[Heredoc] = []
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: list[str] = []
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


class Workdir(Instruction, kw_only=True):
    path: str


class User(Instruction, kw_only=True):
    user: str


class Expose(Instruction, kw_only=True):
    ports: list[str]


class Volume(Instruction, kw_only=True):
    paths: list[str]


class StopSignal(Instruction, kw_only=True):
    signal: str


class Healthcheck(Instruction, kw_only=True):
    check: HealthCheck


class Shell(Instruction, kw_only=True):
    words: list[str]


class OnBuild(Instruction, kw_only=True):
    """`expression` is the instruction that waits, with its here-documents."""

    expression: str


class Maintainer(Instruction, kw_only=True):
    author: str


NAMES = (
    "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE FROM HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL USER "
    "VOLUME WORKDIR"
).split()
