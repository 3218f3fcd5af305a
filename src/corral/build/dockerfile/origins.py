"""Origins: what a name after FROM, --from= or from= means: a stage, a named context, an image. Pure."""

from __future__ import annotations

import contextlib
import re

from corral.build.dockerfile.shell import Rules, expand
from corral.build.dockerfile.texts import quote
from corral.build.request import BuildFailed
from corral.errors import InvalidInput
from corral.images import references
from corral.model.container import Struct

_NUMBER = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_IMAGE = "docker-image://"
SCRATCH = "scratch"


class Names(Struct):
    """What names mean in one Dockerfile: `stages` by their (lower-case) names, `contexts` as the request has them."""

    stages: dict[str, int] = {}
    count: int = 0
    contexts: dict[str, str] = {}
    platform: str = ""


def context_of(names: Names, name: str) -> str | None:
    """The origin that a named context gives in place of a stage or an image; None if none has this name.

    >>> context_of(Names(contexts={"busybox": "docker-image://alpine"}), "docker.io/library/busybox:latest")
    'image:docker.io/library/alpine:latest'
    >>> context_of(Names(contexts={"src": "/tmp/src"}), "src")
    'context:src'
    """
    if not names.contexts or name in (SCRATCH, "context"):
        return None
    with contextlib.suppress(InvalidInput):  # what is no image's name may still be a context's
        name = references.parse(name).familiar.removesuffix(":latest")
    for key in (f"{name}::{names.platform}", name):
        value = names.contexts.get(key)
        if value is not None:
            return _image(value.removeprefix(_IMAGE)) if value.startswith(_IMAGE) else f"context:{key}"
    return None


def _image(name: str) -> str:
    if name == SCRATCH:
        return SCRATCH
    if id := references.as_id(name):
        return f"image:{id}"
    try:
        return f"image:{references.parse(name).tagged()}"
    except InvalidInput as error:
        raise BuildFailed(f"failed to parse stage name {quote(name)}: {error.message}") from None


def base_origin(names: Names, name: str) -> str:
    """What FROM means: `names` has the stages before it.

    >>> base_origin(Names({"build": 0}), "build"), base_origin(Names(), "busybox")
    ('stage:0', 'image:docker.io/library/busybox:latest')
    >>> base_origin(Names(), "0" * 64) == base_origin(Names(), "sha256:" + "0" * 64) == "image:sha256:" + "0" * 64
    True
    """
    if name in names.stages:
        return f"stage:{names.stages[name]}"
    return _outside(names, name)


def _outside(names: Names, name: str) -> str:
    if name == SCRATCH:
        return SCRATCH
    image = _image(name)
    return context_of(names, image.removeprefix("image:")) or image


def mount_origin(names: Names, name: str) -> str:
    """What `RUN --mount=from=` means."""
    number = names.stages.get(name.lower())
    return _outside(names, name) if number is None else f"stage:{number}"


def copy_origin(names: Names, name: str, rules: Rules) -> str:
    """What `COPY --from=` means: also a stage's number.

    >>> copy_origin(Names({"build": 0}, 2), "Build", Rules()), copy_origin(Names({"build": 0}, 2), "1", Rules())
    ('stage:0', 'stage:1')
    """
    if expand(name, {}, rules).text != name:
        raise BuildFailed(
            "variable expansion is not supported for --from, define a new stage with FROM using ARG from global scope "
            "as a workaround"
        )
    if not _NUMBER.fullmatch(name):
        return mount_origin(names, name)
    number = int(name)
    if not 0 <= number < names.count:
        raise BuildFailed(f"invalid stage index {number}")
    return f"stage:{number}"


def stage_number(origin: str) -> int | None:
    """
    >>> stage_number("stage:3"), stage_number("image:busybox")
    (3, None)
    """
    return int(origin.removeprefix("stage:")) if origin.startswith("stage:") else None
