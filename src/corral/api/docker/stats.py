"""What a container uses: once, or every second."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Final

from corral.api.docker.answers import JSON, reply
from corral.api.docker.at import name_of, version_of
from corral.api.docker.render_stats import stats_json
from corral.errors import CorralError, NotFound
from corral.http.message import Answer, Request, Response, StreamResponse
from corral.model.stats import Stats

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine

PERIOD: Final = 1.0


async def container_stats(api: DockerApi, request: Request) -> Answer:
    """A stream; with stream=0 one line, for which two samples are taken unless one-shot was asked for (1.41)."""
    query, engine = request.query, api.engine
    container = engine.containers.get(name_of(request))
    if query.flag("stream", True):
        return StreamResponse(_stream(engine, container.id), 200, JSON)
    one_shot = query.flag("one-shot") and version_of(request) >= (1, 41)
    before = None
    if container.state.running and not one_shot:
        before = await sample(engine, container.id)
        await pause(request)
    return Response(200, JSON, line(engine, container.id, await sample(engine, container.id), before))


async def pause(request: Request) -> None:
    """The time between two samples, unless the client leaves."""
    gone = asyncio.ensure_future(request.disconnected.wait())
    try:
        await asyncio.wait((gone,), timeout=PERIOD)
    finally:
        gone.cancel()


async def sample(engine: Engine, id: str) -> Stats | None:
    """None for a container that does not run, or ended while it was looked at. NotFound when it is gone."""
    if not engine.containers.get(id).state.pid:
        return None
    try:
        return await engine.containers.stats(id)
    except NotFound:
        raise
    except CorralError:
        if engine.containers.get(id).state.pid:
            raise
        return None


def line(engine: Engine, id: str, now: Stats | None, before: Stats | None) -> bytes:
    container = engine.containers.get(id)
    return reply(stats_json(container.name, id, now, before if now else None, engine.host.memory)).body


async def _stream(engine: Engine, id: str) -> AsyncIterator[bytes]:
    """Until the container is removed. The first line has nothing to be compared with."""
    loop = asyncio.get_running_loop()
    before, due = None, loop.time()
    while True:
        try:
            now = await sample(engine, id)
            yield line(engine, id, now, before)
        except NotFound:
            return
        before, due = now, max(due + PERIOD, loop.time())
        await asyncio.sleep(due - loop.time())
