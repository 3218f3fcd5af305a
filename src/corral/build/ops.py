"""Ops: what an instruction comes to when all its variables are expanded. The frontend makes them, the executor acts.

An origin names where files come from: "" the build's context, "stage:2" an earlier stage by its number,
"image:docker.io/library/busybox:latest" another image, "context:NAME" a named context of the request, "scratch"
nothing at all.
"""

from __future__ import annotations

from typing import Literal

from msgspec import field

from corral.model.container import Struct
from corral.model.image import ImageConfig


class Span(Struct):
    """Lines of the Dockerfile, the first is 1, both included."""

    first: int
    last: int


class RunMount(Struct):
    """One `RUN --mount`. `target` is absolute. `mode` is None where the kind's own default counts.

    A cache with origin "" begins empty. A secret with `target` "" is no file, only the variable `env`.
    """

    kind: Literal["bind", "cache", "tmpfs", "secret", "ssh"]
    target: str
    source: str = ""  # below its origin
    origin: str = ""
    id: str = ""
    read_only: bool = False
    required: bool = False
    sharing: Literal["shared", "private", "locked"] = "shared"
    mode: int | None = None
    uid: int = 0
    gid: int = 0
    size: int = 0  # bytes of a tmpfs; 0 is no limit
    env: str = ""  # a secret is given in this variable instead of, or beside, a file


class InlineFile(Struct):
    """A here-document: a file whose content stands in the Dockerfile."""

    name: str
    content: str


class RunOp(Struct):
    """A process in a container on top of the stage so far. `argv` is whole: the shell is already in it.

    `environment` is the stage's ENV and the ARGs that are in scope; `arguments` names the ARGs among them. `proxies`
    is environment that the process has too, but that neither history nor cache may know of.
    """

    argv: list[str]
    environment: list[str] = []
    arguments: list[str] = []
    proxies: list[str] = []
    user: str = ""
    workdir: str = "/"
    hostname: str = ""  # "" is the executor's own choice
    mounts: list[RunMount] = []
    network: Literal["default", "none", "host"] = "default"
    insecure: bool = False
    files: list[InlineFile] = []  # below /dev/pipes while the process runs


class CopyOp(Struct):
    """COPY, and ADD with `add`: from an origin, from here-documents, and with ADD from URLs and git repositories.

    `target` is absolute; a trailing slash is kept, for it matters. `unpack` None is the instruction's own default.
    """

    sources: list[str]
    target: str
    origin: str = ""
    files: list[InlineFile] = []
    add: bool = False
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: list[str] = []
    checksum: str = ""
    keep_git_dir: bool = False
    unpack: bool | None = None
    literal: bool = False  # sources are paths of the origin, and no letter in them is a wildcard


class WorkdirOp(Struct):
    """The directory is made if it is not there, for the stage's user."""

    path: str
    user: str = ""


Op = RunOp | CopyOp | WorkdirOp


class Step(Struct):
    """One instruction of a stage, ready to be carried out.

    `text` is shown ("RUN make", "COPY . /src"); `created_by` stands in the image's history; `config` is the image's
    configuration after this step. `op` is None where only the configuration changes. `created_by` is "" where the
    history has no entry (ONBUILD).
    """

    text: str
    created_by: str
    span: Span
    config: ImageConfig
    op: Op | None = None
    author: str = ""
    number: str = ""  # "[build 2/7]" without its brackets: "build 2/7"; "" for steps that are not counted


class Warning(Struct):
    """A lint rule that was broken, as BuildKit words it: "StageNameCasing", its description, url, detail, place."""

    rule: str
    description: str
    url: str
    detail: str
    span: Span
    text: str = field(default="")  # the excerpt
