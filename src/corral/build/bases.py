"""Bases: the images that stages begin with and copy from: here already, or pulled."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress

from corral.build.request import BuildFailed, BuildRequest
from corral.engine.engine import Engine
from corral.errors import CorralError, NotFound, Unsupported
from corral.images.platforms import Platform, host_platform, platform_of, split_platform
from corral.images.references import Reference, as_id, parse
from corral.model.image import Image
from corral.model.transfer import ANYBODY, Credentials, Note

_SHORT_ID = re.compile(r"docker\.io/library/(?:([0-9a-f]{6,63}):latest|sha256:([0-9a-f]{6,63}))")

_UNKNOWN = re.compile(r"(manifest for|repository) \S+ not found: ")
_DENIED = re.compile(
    r"pull access denied for \S+, repository does not exist or may require 'docker login': (.*)", re.DOTALL
)


def check_platform(wanted: str) -> Platform:
    """Pure but for the host's name: the platform to build for. Unsupported for one that programs of cannot run here.

    >>> str(check_platform(host_platform())) == str(split_platform(host_platform()))
    True
    """
    own = split_platform(host_platform())
    platform = split_platform(wanted) if wanted else own
    if (platform.os, platform.architecture) != (own.os, own.architecture):
        raise Unsupported(
            f"platform {platform} is not supported: this machine builds for {own} only; leave --platform out, or build "
            f"on a machine of that kind"
        )
    return platform


def find_credentials(credentials: dict[str, Credentials], domain: str) -> Credentials:
    """Pure: what is known of a registry, by any of the names that clients have for it.

    >>> find_credentials({"https://index.docker.io/v1/": Credentials("me", "x")}, "docker.io").username
    'me'
    >>> find_credentials({"localhost:5000": Credentials("me", "x")}, "quay.io") is ANYBODY
    True
    """
    hub = ("docker.io", "index.docker.io", "registry-1.docker.io")
    wanted = hub if domain in hub else (domain,)
    for name, found in credentials.items():
        host = name.removeprefix("https://").removeprefix("http://").partition("/")[0]
        if host in wanted:
            return found
    return ANYBODY


def short_id(ref: str) -> str:
    """Pure: the start of an id that `ref`, in full, was before it was taken for a name; "" if it was none. With less
    than 6 digits it is a word.

    >>> short_id("docker.io/library/b6021581cc63:latest"), short_id("docker.io/library/sha256:b6021581cc63")
    ('sha256:b6021581cc63', 'sha256:b6021581cc63')
    >>> short_id("docker.io/library/cafe:latest"), short_id("docker.io/team/b6021581cc63:latest")
    ('', '')
    """
    found = _SHORT_ID.fullmatch(ref)
    return f"sha256:{found[1] or found[2]}" if found else ""


def resolving(text: str, name: Reference) -> str:
    """Pure: why a registry gave no image, in BuildKit's words, of Docker's.

    >>> resolving("manifest for a:1 not found: manifest unknown: manifest unknown", parse("a:1").tagged())
    'docker.io/library/a:1: not found'
    >>> text = "pull access denied for a, repository does not exist or may require 'docker login': denied: d"
    >>> resolving(text, parse("a"))
    'pull access denied, repository does not exist or may require authorization: server message: denied: d'
    """
    if _UNKNOWN.match(text):
        return f"{name}: not found"
    denied = _DENIED.match(text)
    if denied:
        reason = "pull access denied, repository does not exist or may require authorization"
        return f"{reason}: server message: {denied[1]}"
    return text


Know = Callable[[str], Awaitable[Credentials]]  # who the client is at a registry


async def find_image(
    engine: Engine, ref: str, request: BuildRequest, know: Know, hear: Callable[[Note], None], shown: str = ""
) -> Image:
    """The image that `ref`, a name in full or an id, means; a name is pulled if it is not here or the request says so.
    A name that is not here may be the start of an id. Hold its layers at once. `shown` is the name as it is written.

    NotFound, Unsupported; BuildFailed with what a pull said.
    """
    wanted, own = request.platform, check_platform(request.platform)
    if as_id(ref):
        return engine.images.get(ref)
    local = None
    with suppress(NotFound):
        local = engine.images.get(ref)
    if local is None and (short := short_id(ref)):
        with suppress(NotFound):
            return engine.images.get(short)
    fits = local is not None and platform_of(local).architecture == own.architecture
    if local is not None and fits and not request.pull:
        return local
    name = parse(ref).tagged()
    tag = name.digest or name.tag
    credentials = await know(name.domain)
    try:
        async with aclosing(
            engine.transfers.pull(name.name, tag, platform=wanted and str(own), credentials=credentials)
        ) as notes:
            async for note in notes:
                hear(note)
    except CorralError as error:
        why = f"failed to resolve source metadata for {name}: {resolving(error.message, name)}"
        raise BuildFailed(f"{shown or name.familiar}: {why}", classic=error.message) from error
    return engine.images.get(f"{name.name}@{name.digest}" if name.digest else str(name))
