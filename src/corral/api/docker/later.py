"""Operations of the API that are not there yet. Each says so by name; none pretends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from corral.api.docker.answers import reply
from corral.api.docker.versions import split_version
from corral.errors import NotFound, Unavailable, Unsupported
from corral.http.message import Request, Response

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi


async def not_yet(api: DockerApi, request: Request) -> Response:
    """Any operation that Corral does not offer."""
    path = split_version(request.path)[1]
    raise Unsupported(f"{request.method} {path} is not available yet: Corral does not offer this operation")


async def experimental(api: DockerApi, request: Request) -> Response:
    """Checkpoints: what a dockerd says that was not started in experimental mode."""
    raise Unsupported(
        "This experimental feature is disabled by default. "
        "Start the Docker daemon in experimental mode in order to enable it."
    )


async def no_swarm(api: DockerApi, request: Request) -> Response:
    """Swarm's operations on a machine that is in no swarm: what a dockerd says there."""
    raise Unavailable(
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node '
        "to swarm and try again."
    )


async def not_in_swarm(api: DockerApi, request: Request) -> Response:
    """What a dockerd says to who would leave a swarm that there is not."""
    raise Unavailable("This node is not part of a swarm")


async def plugin_list(api: DockerApi, request: Request) -> Response:
    """There are none."""
    return reply([])


async def no_plugin(api: DockerApi, request: Request) -> Response:
    path = split_version(request.path)[1]
    name = re.sub(r"^/plugins/(.*?)(?:/(?:json|enable|disable|upgrade|push|set))?$", r"\1", path)
    raise NotFound(f'plugin "{name}" not found')
