"""`POST /grpc` and `POST /session`: connections that leave HTTP for gRPC, on which BuildKit's clients build."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from corral.api.docker.answers import JSON, first
from corral.api.docker.build import tell
from corral.api.docker.build_query import plan_build
from corral.api.docker.images import remove
from corral.api.docker.jsontext import parse
from corral.api.docker.system import HEADERS
from corral.errors import InvalidInput
from corral.http.message import Answer, Hijack, Request, Response, StreamResponse

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit
    from corral.api.docker.app import DockerApi
    from corral.http.stream import Stream

UPGRADED: Final = {"Connection": "Upgrade", "Upgrade": "h2c"}


def kit_of(api: DockerApi) -> BuildKit:
    """What these connections share; loaded by the first of them."""
    if api.buildkit is None:
        from corral.api.buildkit.serving import BuildKit

        def pruned(freed: int) -> None:
            api.engine.events.publish("builder", "prune", "", {"reclaimed": str(freed)})

        async def forget(image: str) -> None:
            found = api.engine.images.get(image)
            if not (found.tags or found.digests):
                await remove(api.engine, image, force=False, prune=False)

        api.buildkit = BuildKit(api.engine, api.builder, lambda built: tell(api, built), pruned, forget)
    return api.buildkit


async def grpc(api: DockerApi, request: Request) -> Answer:
    """The client calls us."""
    from corral.api.buildkit.session import check_upgrade

    check_upgrade(request.header("upgrade"))
    return Hijack(kit_of(api).serve, 101, UPGRADED | HEADERS, "Switching Protocols")


async def session(api: DockerApi, request: Request) -> Answer:
    """We call the client, when a build needs something of it."""
    from corral.api.buildkit.session import ID, METHODS, check_upgrade, methods_of

    check_upgrade(request.header("upgrade"))
    sessions = kit_of(api).sessions
    id, methods = sessions.check(request.header(ID)), methods_of(request.values(METHODS))

    async def run(stream: Stream) -> None:
        await sessions.serve(id, methods, stream)

    return Hijack(run, 101, UPGRADED | HEADERS, "Switching Protocols")


async def build_by_session(api: DockerApi, request: Request) -> Answer:
    """`POST /build?version=2`, of a client without buildx: see `buildkit/older`. Without `remote` the context is the
    body, as libraries send it."""
    from corral.api.buildkit.older import UPLOAD, lines

    query, kit = request.query, kit_of(api)
    wanted = plan_build(request)
    if wanted.id.startswith(f"{UPLOAD}:"):
        await kit.uploads.give(wanted.id.partition(":")[2], request.stream())
        return Response(200)
    outputs = parse(query.get("outputs").encode()) if query.get("outputs") else []
    if not isinstance(outputs, list) or not all(isinstance(one, dict) for one in outputs or ()):
        raise InvalidInput("error reading outputs: it must be an array of objects")
    remote = query.get("remote")
    body = None if remote else request.stream()
    pieces = lines(kit, wanted, query.get("session"), remote, outputs, query.flag("q"), body)
    return StreamResponse(await first(request, pieces), 200, JSON)
