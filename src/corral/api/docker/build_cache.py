"""What builds keep for later ones: shown in `docker system df`, and thrown away by `docker builder prune`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.api.docker.answers import reply
from corral.api.docker.at import number
from corral.api.docker.filters import parse_filters
from corral.build.usage import Room, Usage
from corral.http.message import Request, Response
from corral.kit.clock import to_rfc3339

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi

Json = dict[str, Any]


def entry(one: Usage) -> Json:
    """Pure: one thing that is kept, as the API has it."""
    return {
        "ID": one.id,
        "Parents": one.parents,
        "Type": one.kind,
        "Description": one.description,
        "InUse": one.in_use,
        "Shared": one.shared,
        "Size": one.size,
        "CreatedAt": to_rfc3339(one.created),
        "LastUsedAt": to_rfc3339(one.used) if one.used else None,
        "UsageCount": one.count,
    }


async def cache_usage(api: DockerApi) -> list[Json]:
    return [entry(one) for one in await api.builder.usage()]


async def build_prune(api: DockerApi, request: Request) -> Response:
    """What no image has too; with `all` everything. Until 1.48 what always stays is called keep-storage."""
    filters = parse_filters(request.query.get("filters"))
    room = Room(
        reserved=number(request, "reserved-space") or number(request, "keep-storage") or 0,
        most=number(request, "max-used-space") or 0,
        free=number(request, "min-free-space") or 0,
    )
    pruned = await api.builder.prune(
        {name: list(values) for name, values in filters.items()}, room=room, all=request.query.flag("all")
    )
    api.engine.events.publish("builder", "prune", "", {"reclaimed": str(pruned.freed)})
    return reply({"CachesDeleted": pruned.ids or None, "SpaceReclaimed": pruned.freed})
