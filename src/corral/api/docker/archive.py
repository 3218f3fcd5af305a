"""Copying files in and out of containers."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import msgspec

from corral.api.docker.answers import TAR, done, primed
from corral.api.docker.at import name_of
from corral.errors import InvalidInput
from corral.http.message import Answer, Request, Response
from corral.kit.clock import to_rfc3339
from corral.model.image import UNTOLD

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.archive import PathStat


def stat_header(stat: PathStat) -> dict[str, str]:
    """What lies at the path, as base64 of JSON. `mode` has Go's bits for the kind of file."""
    shown: dict[str, Any] = {
        "name": stat.name,
        "size": stat.size,
        "mode": stat.mode,
        "mtime": to_rfc3339(stat.mtime, UNTOLD),  # 1970 is a time, and what reproducible images have
        "linkTarget": stat.link_target,
    }
    return {"X-Docker-Container-Path-Stat": base64.b64encode(msgspec.json.encode(shown)).decode()}


def _path(request: Request) -> str:
    path = request.query.get("path")
    if not path:
        raise InvalidInput("bad parameter: path cannot be empty")
    return path


async def archive_stat(api: DockerApi, request: Request) -> Response:
    stat = await api.engine.containers.archive_stat(name_of(request), _path(request))
    return Response(200, stat_header(stat))


async def archive_get(api: DockerApi, request: Request) -> Answer:
    stat, chunks = await api.engine.containers.archive_get(name_of(request), _path(request))
    return await primed(chunks, TAR | stat_header(stat))


async def archive_put(api: DockerApi, request: Request) -> Response:
    query = request.query
    await api.engine.containers.archive_put(
        name_of(request),
        _path(request),
        request.stream(),
        no_overwrite_dir_non_dir=query.flag("noOverwriteDirNonDir"),
        copy_uid_gid=query.flag("copyUIDGID"),
    )
    return done(200)
