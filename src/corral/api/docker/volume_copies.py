"""Corral's own operations on volumes, below /corral/: to a tar stream, from one, and from one volume to another."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from corral.api.docker.answers import TAR, primed, reply
from corral.api.docker.at import json_body
from corral.api.docker.bodies import VolumeClone
from corral.api.docker.gojson import decode
from corral.api.docker.versions import split_version
from corral.api.docker.volumes import volume_json
from corral.errors import InvalidInput
from corral.http.message import Answer, Request, Response

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.model.volume import Volume


def named(request: Request) -> str:
    """The volume of /corral/volumes/{name}/{verb}."""
    return re.sub(r"^/corral/volumes/(.*)/[a-z]+$", r"\1", split_version(request.path)[1])


async def volume_export(api: DockerApi, request: Request) -> Answer:
    """A tar stream; `pause`: the containers that have the volume are frozen until it has been read."""
    name, engine = named(request), api.engine
    engine.volumes.get(name)

    async def pieces() -> AsyncIterator[bytes]:
        async with engine.containers.frozen(name if request.query.flag("pause") else ""):
            async for piece in engine.volumes.copies.export(name):
                yield piece

    return await primed(pieces(), TAR)


async def volume_import(api: DockerApi, request: Request) -> Response:
    """A new volume of the tar stream in the body; `label` may be given many times."""
    labels = dict(_label(word) for word in request.query.all("label"))
    return _made(api, await api.engine.volumes.copies.take_in(named(request), request.stream(), labels))


async def volume_clone(api: DockerApi, request: Request) -> Response:
    asked, _ = decode(await json_body(request) or b"{}", VolumeClone)
    name, engine = named(request), api.engine
    if not asked.Name:
        raise InvalidInput(f"clone {name}: the new volume needs a name")
    async with engine.containers.frozen(name if asked.Pause else ""):
        made = await engine.volumes.copies.clone(name, asked.Name, asked.Labels)
    return _made(api, made)


def _made(api: DockerApi, volume: Volume) -> Response:
    api.engine.events.publish("volume", "create", volume.name, {"driver": volume.driver})
    return reply(volume_json(volume), 201)


def _label(text: str) -> tuple[str, str]:
    """
    >>> _label("tier=db"), _label("kept")
    (('tier', 'db'), ('kept', ''))
    """
    key, _, value = text.partition("=")
    return key, value
