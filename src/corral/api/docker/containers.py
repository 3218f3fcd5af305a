"""The operations on containers: parse, call the engine, answer."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from corral.api.docker.answers import TAR, done, primed, reply
from corral.api.docker.at import Version, json_body, name_of, number, version_of
from corral.api.docker.create import NAME, parse_create
from corral.api.docker.facts import facts_of
from corral.api.docker.filters import parse_filters
from corral.api.docker.platforms import check_platform
from corral.api.docker.render import Surroundings, inspect
from corral.api.docker.render_list import summary
from corral.api.docker.update import check_update, parse_update
from corral.engine.listing import image_family, select
from corral.engine.named import bridge_links
from corral.errors import Conflict, CorralError, InvalidInput, NotFound
from corral.http.message import Answer, Request, Response
from corral.model.container import Container

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine


async def container_create(api: DockerApi, request: Request) -> Response:
    body, query = await json_body(request), request.query
    version = version_of(request)
    platform = query.get("platform") if version >= (1, 41) else ""
    engine = api.engine
    new = parse_create(body, query.get("name"), platform, version, facts_of(engine.host), os.path.exists)
    image = engine.images.get(new.spec.image)
    warnings = check_platform(image, new.spec.image, platform, engine.host.architecture)
    created = await engine.containers.create(new.spec, new.name)
    return reply({"Id": created.id, "Warnings": [*warnings, *created.warnings, *new.warnings]}, 201)


async def container_list(api: DockerApi, request: Request) -> Response:
    query, engine = request.query, api.engine
    filters = parse_filters(query.get("filters"))
    for name in ("before", "since"):
        if ref := query.get(name):
            filters.setdefault(name, []).append(ref)
    chosen = select(
        engine.containers.list(unlisted=True),
        filters,
        all=query.flag("all"),
        limit=number(request, "limit") or 0,
        image_family=lambda ref: _family(engine, ref),
    )
    return reply(await summaries(engine, chosen, version_of(request), size=query.flag("size")))


def _family(engine: Engine, ref: str) -> set[str]:
    """An image and what was made from it; nothing for an image that is not there."""
    try:
        return image_family(engine.images.list(), engine.images.get(ref).id)
    except CorralError:
        return set()


async def summaries(engine: Engine, chosen: list[Container], version: Version, *, size: bool) -> list[object]:
    """The lines of a list. Sizes take long: they are read only where asked for."""
    now, networks = engine.parts.clock.now(), network_ids(engine)
    names = {ref: _resolves_to(engine, ref) for ref in {c.spec.image for c in chosen}}
    lines: list[object] = []
    links = engine.containers.link_names()
    for container in chosen:
        sizes = await engine.containers.sizes(container.id) if size else None
        image = container.spec.image if names[container.spec.image] == container.image_id else container.image_id
        lines.append(summary(container, now, image, version, networks, sizes, links.get(container.id, ())))
    return lines


def _resolves_to(engine: Engine, ref: str) -> str:
    """The id that an image's name means now."""
    try:
        return engine.images.get(ref).id
    except CorralError:
        return ""


def network_ids(engine: Engine) -> dict[str, str]:
    return {info.network.name: info.network.id for info in engine.networks.info()}


async def container_inspect(api: DockerApi, request: Request) -> Response:
    engine, ref = api.engine, name_of(request)
    container = engine.containers.get(ref)
    size = await engine.containers.sizes(container.id) if request.query.flag("size") else (None, None)
    around = surroundings(engine, container)
    around.size_rw, around.size_root_fs = size
    return reply(inspect(container, around, version_of(request)))


def surroundings(engine: Engine, container: Container) -> Surroundings:
    """What an inspection shows besides the record."""
    id, host = container.id, engine.host
    return Surroundings(
        cgroup_version=host.cgroup_version,
        default_runtime=host.default_runtime,
        log_path=engine.parts.paths.log(id),
        files=engine.parts.paths.bundle(id),
        apparmor=engine.containers.apparmor(container),
        exec_ids=engine.containers.exec_ids(id),
        graph=_graph(engine, id),
        network_ids=network_ids(engine),
        links=[_link(engine, container.name, link) for link in bridge_links(container.spec.network)],
    )


def _graph(engine: Engine, id: str) -> dict[str, str]:
    """Where the layers are, and where they are mounted together while the container runs."""
    graph = engine.images.rootfs.graph(id)
    return {"ID": id, **graph, "MergedDir": engine.parts.paths.rootfs(id)} if graph else {}


def _link(engine: Engine, name: str, link: str) -> str:
    """ "id:alias" as Docker shows a link: "/other:/this/alias"."""
    id, _, alias = link.partition(":")
    try:
        other = engine.containers.get(id).name
    except NotFound:
        other = id
    return f"/{other}:/{name}/{alias or other}"


async def container_start(api: DockerApi, request: Request) -> Response:
    length = request.header("content-length", "0")
    if "transfer-encoding" in request.headers or (length.isdigit() and int(length) > 7):
        raise InvalidInput(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24"
        )
    if request.query.get("checkpoint"):
        raise InvalidInput("checkpoint is only supported in experimental mode")
    await api.engine.containers.start(name_of(request))
    return done()


async def container_stop(api: DockerApi, request: Request) -> Response:
    name, timeout = name_of(request), number(request, "t")
    api.engine.containers.get(name)
    try:
        await api.engine.containers.stop(name, timeout, _signal(request))
    except CorralError as error:
        if not error.message.startswith("cannot stop container"):
            error.message = f"cannot stop container: {name}: {error.message}"
        raise
    return done()


async def container_restart(api: DockerApi, request: Request) -> Response:
    name, timeout = name_of(request), number(request, "t")
    api.engine.containers.get(name)
    try:
        await api.engine.containers.restart(name, timeout, _signal(request))
    except CorralError as error:
        error.message = f"Cannot restart container {name}: {error.message}"
        raise
    return done()


def _signal(request: Request) -> str:
    """The signal to stop with came with 1.42."""
    return request.query.get("signal") if version_of(request) >= (1, 42) else ""


async def container_kill(api: DockerApi, request: Request) -> Response:
    name = name_of(request)
    try:
        await api.engine.containers.kill(name, request.query.get("signal") or "SIGKILL")
    except CorralError as error:
        if not error.message.startswith("cannot kill container"):
            error.message = f"cannot kill container: {name}: {error.message}"
        raise
    return done()


async def container_pause(api: DockerApi, request: Request) -> Response:
    await api.engine.containers.pause(name_of(request))
    return done()


async def container_unpause(api: DockerApi, request: Request) -> Response:
    await api.engine.containers.unpause(name_of(request))
    return done()


async def container_rename(api: DockerApi, request: Request) -> Response:
    old, new = name_of(request), request.query.get("name")
    if not old or not new:
        raise InvalidInput("Neither old nor new names may be empty")
    api.engine.containers.get(old)
    if not NAME.match(new.removeprefix("/")):
        allowed = "only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
        name = "/" + new.removeprefix("/")
        raise InvalidInput(f"Error when allocating new name: Invalid container name ({name}), {allowed}")
    try:
        await api.engine.containers.rename(old, new.removeprefix("/"))
    except Conflict as error:
        raise Conflict(f"Error when allocating new name: {error.message}") from error
    return done()


async def container_update(api: DockerApi, request: Request) -> Response:
    engine, body = api.engine, await json_body(request)
    update = parse_update(body or b"{}", version_of(request), facts_of(engine.host))
    container = engine.containers.get(name_of(request))
    check_update(container.spec.resources, update.fields, container.id)
    warnings = await engine.containers.update(container.id, update.fields, update.restart)
    return reply({"Warnings": [*warnings, *update.warnings] or None})


async def container_remove(api: DockerApi, request: Request) -> Response:
    query = request.query
    if query.flag("link"):
        await api.engine.containers.unlink(name_of(request))
        return done()
    await api.engine.containers.remove(name_of(request), force=query.flag("force"), volumes=query.flag("v"))
    return done()


KINDS = {"modified": 0, "added": 1, "deleted": 2}


async def container_changes(api: DockerApi, request: Request) -> Response:
    changes = await api.engine.containers.changes(name_of(request))
    return reply([{"Path": change.path, "Kind": KINDS[change.kind]} for change in changes] or None)


async def container_export(api: DockerApi, request: Request) -> Answer:
    container = api.engine.containers.get(name_of(request))
    return await primed(api.engine.containers.export(container.id), TAR)
