"""The operations on images that are here: list, inspect, history, tag, remove, load, save."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, NamedTuple

from corral.api.docker.answers import JSON, TAR, done, failure, message, primed, reply
from corral.api.docker.at import name_of, platform_of, version_of
from corral.api.docker.filters import parse_filters
from corral.api.docker.image_filters import select_images
from corral.api.docker.platforms import check_platform
from corral.api.docker.references import familiar, with_tag
from corral.api.docker.render_image import history, inspect, shared_sizes, summary
from corral.errors import CorralError, InvalidInput, put_in_words
from corral.http.message import Answer, Request, Response, StreamResponse
from corral.model.image import Image

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine


async def image_list(api: DockerApi, request: Request) -> Response:
    query, version, engine = request.query, version_of(request), api.engine
    filters = parse_filters(query.get("filters"))
    if version < (1, 41) and (pattern := query.get("filter")):
        filters.setdefault("reference", []).append(pattern)
    images, now = engine.images.list(), engine.parts.clock.now()
    chosen = select_images(images, filters, all=query.flag("all"), now=now, find=engine.images.get)
    shared = shared_sizes(images) if query.flag("shared-size") and version >= (1, 42) else {}
    users = count_users(engine)
    return reply(
        [summary(image, version, users.get(image.id, 0), shared.get(image.id, -1), tags) for image, tags in chosen]
    )


def count_users(engine: Engine) -> dict[str, int]:
    """Image id -> how many containers were made from it."""
    users: dict[str, int] = {}
    for container in engine.containers.list(unlisted=True):
        users[container.image_id] = users.get(container.image_id, 0) + 1
    return users


async def image_inspect(api: DockerApi, request: Request) -> Response:
    name, version = name_of(request), version_of(request)
    if version >= (1, 48) and request.query.flag("manifests") and request.query.get("platform"):
        raise InvalidInput("conflicting options: manifests and platform options cannot both be set")
    image = _found(api.engine, name, platform_of(request) if version >= (1, 49) else "")
    shown = inspect(image, version, api.engine.images.image_graph(image.id))
    if needs_container_config(request.header("user-agent")):
        shown["ContainerConfig"] = shown["Config"]
    return reply(shown)


def needs_container_config(agent: str) -> bool:
    """Pure: Compose 1.x cannot make a service's container anew without a field that the API lost in 1.45.

    >>> needs_container_config("docker-compose/1.29.2 docker-py/5.0.3 Linux/6.1"), needs_container_config("Docker/28")
    (True, False)
    """
    return agent.startswith("docker-compose/1.")


def _found(engine: Engine, name: str, platform: str) -> Image:
    """The image. NotFound also where it is for another platform than the one that is asked for, if one is."""
    image = engine.images.get(name)
    if platform:
        check_platform(image, name, platform, engine.host.architecture)
    return image


async def image_history(api: DockerApi, request: Request) -> Response:
    platform = platform_of(request) if version_of(request) >= (1, 48) else ""
    return reply(history(_found(api.engine, name_of(request), platform)))


async def image_tag(api: DockerApi, request: Request) -> Response:
    query, engine = request.query, api.engine
    name = with_tag(query.get("repo"), query.get("tag"))
    if not name:
        raise InvalidInput("repository name must have at least one component")
    if name.partition(":")[0] == "sha256":
        raise InvalidInput("refusing to create an ambiguous tag using digest algorithm as name")
    image = engine.images.get(name_of(request))
    full = await engine.images.tag(image.id, name)
    engine.parts.tell_image("tag", image.id, familiar(full))
    return done(201)


async def image_remove(api: DockerApi, request: Request) -> Response:
    name, query, engine = name_of(request), request.query, api.engine
    if not name.strip():
        raise InvalidInput("image name cannot be blank")
    if version_of(request) >= (1, 50) and (platform := platform_of(request, "platforms")):
        _found(engine, name, platform)
    return reply(await remove(engine, name, force=query.flag("force"), prune=not query.flag("noprune")))


async def remove(engine: Engine, name: str, *, force: bool, prune: bool) -> list[dict[str, str]]:
    """Removes an image, tells of it, and gives the steps as the API shows them."""
    id, known = engine.images.get(name).id, {image.id for image in engine.images.list()}
    steps = await engine.images.remove(
        name, force=force, prune=prune, used_by=lambda id: [user[:2] for user in users_of(engine, id)]
    )
    for step in steps:
        if step.untagged:
            engine.parts.tell_image("untag", id)
        elif step.deleted in known:  # a layer is no image, and no event
            engine.parts.tell_image("delete", step.deleted)
    return [{"Untagged": familiar(step.untagged)} if step.untagged else {"Deleted": step.deleted} for step in steps]


class User(NamedTuple):
    """A container that needs an image; `asked` is the name or the id that it was made from."""

    id: str
    running: bool
    asked: str


def users_of(engine: Engine, image_id: str) -> list[User]:
    """The containers made from an image, or that mount it; running ones first."""
    found = [
        User(container.id, container.state.running, container.spec.image)
        for container in engine.containers.list(unlisted=True)
        if container.image_id == image_id
        or any(point.type == "image" and point.source == image_id for point in container.mount_points)
    ]
    return sorted(found, key=lambda user: not user.running)


async def image_save(api: DockerApi, request: Request) -> Answer:
    """One image named in the path, or several as `names`."""
    names = request.query.all("names") if request.path.endswith("/images/get") else [name_of(request)]
    if not names:
        raise InvalidInput("no image was named")
    platform = platform_of(request) if version_of(request) >= (1, 48) else ""
    chosen = api.engine.images.chosen(names)
    for image in chosen if platform else ():
        name = familiar(image.tags[0]) if image.tags else image.id
        check_platform(image, name, platform, api.engine.host.architecture)
    for image in chosen:
        api.engine.parts.tell_image("save", image.id)
    return await primed(api.engine.images.save(names), TAR)


async def image_load(api: DockerApi, request: Request) -> Answer:
    platform = platform_of(request) if version_of(request) >= (1, 48) else ""
    return StreamResponse(_load(api.engine, request, platform), 200, JSON)


def _renamed(name: str, old: str) -> str:
    return f"The image {name} already exists, renaming the old one with ID {old} to empty string\n"


async def _load(engine: Engine, request: Request, platform: str) -> AsyncIterator[bytes]:
    """The head of the answer is out before the body is read: a failure becomes a message of the stream."""
    try:
        async for loaded in engine.images.load(request.stream(), platform=platform):
            engine.parts.tell_image("load", loaded.id)
            if loaded.replaced:
                yield message(stream=_renamed(familiar(loaded.name), loaded.replaced))
            what = f"Loaded image: {familiar(loaded.name)}" if loaded.name else f"Loaded image ID: {loaded.id}"
            yield message(stream=what + "\n")
    except (CorralError, OSError) as error:
        yield failure(put_in_words("load", error).message)
