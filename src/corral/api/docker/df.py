"""How much disk is used: `docker system df`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.api.docker.answers import reply
from corral.api.docker.at import Version, version_of
from corral.api.docker.build_cache import cache_usage
from corral.api.docker.containers import summaries
from corral.api.docker.images import count_users
from corral.api.docker.render_image import layers_size, shared_sizes, summary
from corral.api.docker.volumes import users_of, volume_json
from corral.errors import InvalidInput
from corral.http.message import Request, Response

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine

Json = dict[str, Any]
KINDS = ("container", "image", "volume", "build-cache")


async def system_df(api: DockerApi, request: Request) -> Response:
    """Only the kinds that were asked for (from 1.42 on); the others are null."""
    version, engine = version_of(request), api.engine
    kinds = request.query.all("type") if version >= (1, 42) else []
    for kind in kinds:
        if kind not in KINDS:
            raise InvalidInput(f"unknown object type: {kind}")
    kinds = kinds or list(KINDS)
    images = engine.images.list()
    newest = sorted(engine.containers.list(), key=lambda c: c.created, reverse=True)
    return reply(
        {
            "LayersSize": layers_size(images) + await engine.images.broken_pulls() if "image" in kinds else 0,
            "Images": _images(engine, version) if "image" in kinds else None,
            "Containers": await summaries(engine, newest, version, size=True) if "container" in kinds else None,
            "Volumes": await _volumes(engine) if "volume" in kinds else None,
            "BuildCache": await cache_usage(api) if "build-cache" in kinds else None,
        }
    )


def _images(engine: Engine, version: Version) -> list[Json]:
    images, users = engine.images.list(), count_users(engine)
    shared = shared_sizes(images)
    lines = [summary(image, version, users.get(image.id, 0), shared[image.id]) for image in images]
    for line, image in zip(lines, images, strict=True):
        line["Containers"] = users.get(image.id, 0)
    return lines


async def _volumes(engine: Engine) -> list[Json]:
    """Without those that are mounts of something else, as in dockerd: what they hold is not on this disk."""
    shown = []
    for volume in engine.volumes.list():
        if volume.options:
            continue
        usage = {"RefCount": len(users_of(engine, volume.name)), "Size": await engine.volumes.size(volume.name)}
        shown.append(volume_json(volume) | {"UsageData": usage})
    return shown
