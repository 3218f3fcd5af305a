"""The operations on volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.api.docker.answers import done, reply
from corral.api.docker.at import json_body, name_of
from corral.api.docker.bodies import VolumeCreate
from corral.api.docker.filters import parse_filters
from corral.api.docker.gojson import decode
from corral.engine.filters import Filters, flag, has_labels, matches_text, refuse_unknown
from corral.errors import Unsupported
from corral.http.message import Request, Response
from corral.kit.clock import SECOND, to_rfc3339

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine
    from corral.model.volume import Volume

Json = dict[str, Any]


def volume_json(volume: Volume) -> Json:
    """Times to the second, as dockerd gives them."""
    return {
        "CreatedAt": to_rfc3339(volume.created // SECOND * SECOND),
        "Driver": volume.driver,
        "Labels": volume.labels or None,
        "Mountpoint": volume.mountpoint,
        "Name": volume.name,
        "Options": volume.options or None,
        "Scope": "local",
    }


def users_of(engine: Engine, name: str) -> list[str]:
    """The ids of the containers that have a volume."""
    return [
        container.id
        for container in engine.containers.list(unlisted=True)
        if any(point.type == "volume" and point.name == name for point in container.mount_points)
    ]


async def volume_list(api: DockerApi, request: Request) -> Response:
    filters = parse_filters(request.query.get("filters"))
    refuse_unknown(filters, ("dangling", "driver", "label", "name"))
    flag(filters, "dangling", False)  # one that is none is refused even where there is no volume
    engine = api.engine
    chosen = [volume for volume in engine.volumes.list() if fits(volume, filters, bool(users_of(engine, volume.name)))]
    return reply({"Volumes": [volume_json(volume) for volume in chosen], "Warnings": None})


def fits(volume: Volume, filters: Filters, used: bool) -> bool:
    """Pure: does a list with these filters show the volume?"""
    return (
        ("driver" not in filters or volume.driver in filters["driver"])
        and ("name" not in filters or any(matches_text(pattern, volume.name) for pattern in filters["name"]))
        and has_labels(filters.get("label", ()), volume.labels)
        and ("dangling" not in filters or flag(filters, "dangling", False) is not used)
    )


async def volume_create(api: DockerApi, request: Request) -> Response:
    asked, _ = decode(await json_body(request) or b"{}", VolumeCreate)
    if asked.ClusterVolumeSpec is not None:
        raise Unsupported("cluster volumes are not offered")
    driver = asked.Driver or "local"
    engine = api.engine
    existed = bool(asked.Name) and engine.volumes.exists(asked.Name)
    volume = await engine.volumes.create(
        asked.Name, driver=driver, options=asked.DriverOpts, labels=asked.Labels, anonymous=not asked.Name
    )
    if not existed:
        engine.events.publish("volume", "create", volume.name, {"driver": volume.driver})
    return reply(volume_json(volume), 201)


async def volume_inspect(api: DockerApi, request: Request) -> Response:
    return reply(volume_json(api.engine.volumes.get(name_of(request))))


async def volume_remove(api: DockerApi, request: Request) -> Response:
    """Conflict while a container has it; one that is not there is fine when forced."""
    name, engine = name_of(request), api.engine
    existed = engine.volumes.exists(name)
    await engine.volumes.remove(name, force=request.query.flag("force"), users=lambda name: users_of(engine, name))
    if existed:
        engine.events.publish("volume", "destroy", name, {"driver": "local"})
    return done()
