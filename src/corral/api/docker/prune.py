"""Removing what nobody uses: containers that have ended, images without a name, volumes without a container."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from corral.api.docker.answers import reply
from corral.api.docker.at import version_of
from corral.api.docker.filters import parse_filters, until_of
from corral.api.docker.images import remove, users_of
from corral.api.docker.render_image import layer_sizes
from corral.api.docker.security import FALSE, TRUE
from corral.api.docker.volumes import users_of as volume_users_of
from corral.engine.filters import Filters, flag, labels_fit, refuse_unknown
from corral.engine.listing import plan_prune
from corral.errors import CorralError, InvalidInput
from corral.http.message import Request, Response
from corral.kit.clock import SECOND

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine


async def container_prune(api: DockerApi, request: Request) -> Response:
    filters, engine = parse_filters(request.query.get("filters")), api.engine
    test = plan_prune(filters, until_of(filters, engine.parts.clock.now()))
    ids, freed = await engine.containers.prune(test)
    _told(engine, "container", freed)
    return reply({"ContainersDeleted": ids or None, "SpaceReclaimed": freed})


def _told(engine: Engine, kind: str, freed: int) -> None:
    engine.events.publish(kind, "prune", "", {"reclaimed": str(freed)})


async def image_prune(api: DockerApi, request: Request) -> Response:
    """Those without a name; with the filter dangling=false all that no container uses, such names of others, and what
    came of pulls that broke."""
    filters, engine = parse_filters(request.query.get("filters")), api.engine
    refuse_unknown(filters, ("dangling", "label", "label!", "until"))
    dangling_only = flag(filters, "dangling", True)
    until = until_of(filters, engine.parts.clock.now())
    before = {image.id: image for image in engine.images.list()}
    parents = {image.parent for image in before.values()}
    layers = {layer: size for image in before.values() for layer, size in layer_sizes(image)}
    deleted: list[dict[str, str]] = []
    for image in before.values():
        names = [*image.tags, *image.digests]
        if (dangling_only and image.tags) or (image.id in parents and (dangling_only or not names)):
            continue
        if (until and image.created > until) or not labels_fit(filters, image.config.labels):
            continue
        asked = [user.asked for user in users_of(engine, image.id)]
        for ref in engine.images.unneeded(image, asked) if asked else names or [image.id]:
            deleted += await _remove(engine, ref)
    freed = sum(layers.get(step.get("Deleted", ""), 0) for step in deleted)
    if not dangling_only and labels_fit(filters, {}):
        parts = await engine.images.forget_broken_pulls(until / SECOND if until else math.inf)
        deleted += [{"Deleted": digest} for digest in parts]  # without a line docker counts no byte
        freed += sum(parts.values())
    _told(engine, "image", freed)
    return reply({"ImagesDeleted": deleted or None, "SpaceReclaimed": freed})


async def _remove(engine: Engine, ref: str) -> list[dict[str, str]]:
    """What went; nothing where the image is in use after all."""
    try:
        return await remove(engine, ref, force=False, prune=True)
    except CorralError:
        return []


async def volume_prune(api: DockerApi, request: Request) -> Response:
    """Anonymous ones; all of them with the filter all=1, and before 1.42."""
    filters, engine = parse_filters(request.query.get("filters")), api.engine
    refuse_unknown(filters, ("all", "label", "label!"))
    every = version_of(request) < (1, 42) or _wants_all(filters)
    removed, freed = await engine.volumes.prune(
        lambda volume: (every or volume.anonymous) and labels_fit(filters, volume.labels),
        lambda name: volume_users_of(engine, name),
    )
    for name in removed:
        engine.events.publish("volume", "destroy", name, {"driver": "local"})
    _told(engine, "volume", freed)
    return reply({"VolumesDeleted": removed, "SpaceReclaimed": freed})


def _wants_all(filters: Filters) -> bool:
    values = filters.get("all", ())
    if len(values) > 1:
        raise InvalidInput(f"invalid filter 'all=[{' '.join(values)}]': only one value is expected")
    for value in values:
        if value not in TRUE + FALSE:
            raise InvalidInput(f"invalid filter 'all': strconv.ParseBool: parsing \"{value}\": invalid syntax")
    return any(value in TRUE for value in values)
