"""The frontend at work: from a request to the stages that must be made, each with all its steps."""

from __future__ import annotations

import os

from msgspec import field

from corral.build.dockerfile import Base, Plan, StageSteps, evaluate_plan, parse, plan_stages
from corral.build.ops import Warning
from corral.build.request import BuildFailed, BuildRequest
from corral.errors import from_oserror
from corral.images.platforms import host_platform, platform_of
from corral.linux.rooted import open_in_root, open_root
from corral.model.container import Struct
from corral.model.image import Image, ImageConfig

_LARGEST = 16 << 20  # bytes of a Dockerfile


class Source(Struct):
    """A Dockerfile: what it is called, and its text."""

    name: str
    text: str


class Ready(Struct):
    """Everything that a build does. `stages` are by number, each after all it needs; `config` is the target's. `first`
    says, for each stage, how many instructions there are before its own, and `total` how many there are in all: labels
    that the request gives are one more."""

    plan: Plan
    stages: dict[int, StageSteps]
    config: ImageConfig
    warnings: list[Warning] = []
    missing: list[str] = []
    first: dict[int, int] = field(default_factory=dict)
    total: int = 0


def read(request: BuildRequest) -> Source:
    """The Dockerfile of a request. BuildFailed in BuildKit's words. Blocking."""
    name = os.path.basename(request.dockerfile) or "Dockerfile"
    if request.dockerfile_text is not None:
        return Source(name, request.dockerfile_text)
    return Source(name, decode(read_file(request.context, request.dockerfile), request.dockerfile))


def read_file(context: str, path: str) -> bytes:
    """A Dockerfile of a context, or a file beside it. BuildFailed in BuildKit's words. Blocking."""
    try:
        return _read_any(context, path)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise BuildFailed(
            f"failed to read dockerfile: open {path}: no such file or directory",
            classic=f"Cannot locate specified Dockerfile: {path}",
        ) from None
    except OSError as error:
        raise from_oserror(f"failed to read dockerfile: open {path}", error) from error


def decode(data: bytes, name: str) -> str:
    """Pure: the text of a Dockerfile. BuildFailed."""
    if len(data) > _LARGEST:
        raise BuildFailed(f"failed to read dockerfile: {name} is larger than {_LARGEST} bytes")
    return data.decode("utf-8-sig", "replace")


def _read_any(context: str, path: str) -> bytes:
    """One that is called Dockerfile may be written in small letters."""
    try:
        return _read(context, path)
    except FileNotFoundError:
        folder, name = os.path.split(path)
        if name != "Dockerfile":
            raise
        return _read(context, os.path.join(folder, name.lower()))


def _read(context: str, path: str) -> bytes:
    """A file of a context, which somebody else filled: links lead nowhere else."""
    root = open_root(context)
    try:
        with open(open_in_root(root, path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            return file.read(_LARGEST + 1)
    finally:
        os.close(root)


def plan(source: Source, request: BuildRequest) -> Plan:
    """Which stages there are. BuildFailed."""
    try:
        parsed = parse(source.text)
    except BuildFailed as error:
        error.classic = classic_words(error.message, request.dockerfile)
        raise
    return plan_stages(parsed, request, host_platform(), every=request.check_only)


def classic_words(message: str, dockerfile: str) -> str:
    """Pure: how Docker's classic builder says that a text is no Dockerfile; "" if in the same words.

    >>> classic_words("file with no instructions", "sub/Dockerfile")
    'failed to parse sub/Dockerfile: file with no instructions'
    >>> classic_words("the Dockerfile cannot be empty", "Dockerfile")
    'the Dockerfile (Dockerfile) cannot be empty'
    >>> classic_words("dockerfile parse error on line 2: unknown instruction: X", "Dockerfile")
    ''
    """
    if message.startswith("dockerfile parse error on line "):
        return ""
    if message == "the Dockerfile cannot be empty":
        return f"the Dockerfile ({dockerfile}) cannot be empty"
    return f"failed to parse {dockerfile}: {message}"


def evaluate(plan: Plan, images: dict[str, Image]) -> Ready:
    """All steps; or, where images must be known first, their origins in `missing`. BuildFailed."""
    bases = {origin: Base(image.config, image.author, platform_of(image)) for origin, image in images.items()}
    found = evaluate_plan(plan, bases)
    ready = Ready(plan, found.stages, found.config, found.warnings, found.missing)
    ready.total = len(plan.heads)
    steps = {number: len(stage.steps) for number, stage in found.stages.items()}
    if found.missing:  # an image's triggers are not known yet, nor counted by Docker
        steps = {number: len(plan.stages[number].instructions) for number in plan.needed}
    for number, count in steps.items():
        ready.first[number] = ready.total
        ready.total += 1 + count
    ready.total += bool(plan.labels)
    return ready
