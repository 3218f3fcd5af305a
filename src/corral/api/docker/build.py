"""`POST /build` and its relatives: Docker's classic build, what a build costs in disk, and ending one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from corral.api.docker.answers import JSON, done, first
from corral.api.docker.build_query import plan_build
from corral.api.docker.build_stream import Classic, failure_message, stream
from corral.api.docker.references import familiar
from corral.build.request import BuildEvent, BuildFailed, BuildRequest, Built
from corral.errors import CorralError, InvalidInput, NotFound
from corral.http.message import Answer, Request, Response, StreamResponse

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi


async def build(api: DockerApi, request: Request) -> Answer:
    """The context is the body, or what `remote` names. What fails before a stage's image is looked for is an error of
    its own."""
    if request.query.get("version") == "2":
        from corral.api.docker.build_kit import build_by_session

        return await build_by_session(api, request)
    wanted, quiet = plan_build(request), request.query.flag("q")
    events = run(api, request, wanted)
    return StreamResponse(await first(request, messages(events, quiet=quiet)), 200, JSON)


async def run(api: DockerApi, request: Request, wanted: BuildRequest) -> AsyncGenerator[BuildEvent, None]:
    """Takes the context in, and builds."""
    remote = request.query.get("remote")
    async with api.builder.context(request.stream(), remote=remote, dockerfile=wanted.dockerfile) as context:
        wanted = replace(wanted, context=context.path, dockerfile_text=context.dockerfile_text)
        async with aclosing(api.builder.build(wanted)) as events:
            async for event in events:
                tell(api, event)
                yield event


def tell(api: DockerApi, event: BuildEvent) -> None:
    """The engine's own events for the image that a build made, and for each name that it gave."""
    if isinstance(event, Built) and event.image:
        api.engine.parts.tell_image("create", event.image)
        for name in event.names:
            api.engine.parts.tell_image("tag", event.image, familiar(name))


async def messages(events: AsyncGenerator[BuildEvent, None], *, quiet: bool) -> AsyncGenerator[bytes, None]:
    """The events on the wire. With `quiet` only the image's id, or all that was said if it failed.

    An error before anything was said, or an image was looked for, is raised, a later one is told in the stream.
    """
    shown, held, begun = Classic(), [b""], False
    async with aclosing(events):
        try:
            async for event in events:
                if quiet and isinstance(event, Built):
                    yield stream(f"{event.image}\n")
                    return
                for piece in shown.take(event):
                    if quiet:
                        held.append(piece)
                    else:
                        yield piece
                    begun = True
        except CorralError as error:
            if not (begun or shown.fetching):
                if isinstance(error, BuildFailed):
                    error.message = error.classic or error.message
                raise
            yield b"".join([*held, *shown.rest(), failure_message(error, shown.failed)])


async def build_cancel(api: DockerApi, request: Request) -> Response:
    """Ends a build by the id that its client gave it."""
    id = request.query.get("id")
    if not id:
        raise InvalidInput("build ID not provided")
    with suppress(NotFound):  # it has ended already: as Docker answers
        await api.builder.cancel(id)
    return done(200)
