"""Attaching to a container through a web socket, as pages in a browser do. Its messages are never framed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from corral.api.docker.at import name_of, version_of
from corral.api.docker.attach import Session, wanted
from corral.http.message import Answer, Hijack, Request
from corral.http.websocket import WebSocket, accept

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.http.stream import Stream


async def container_attach_ws(api: DockerApi, request: Request) -> Answer:
    """Before 1.42 all three streams are attached, whatever was asked for; before 1.28 messages are text."""
    version = version_of(request)
    want = wanted(request, every_stream=version < (1, 42))
    container = api.engine.containers.get(name_of(request).removesuffix("/attach"))
    headers = accept(request)
    session = await Session.open(api.engine, container, want, frames=False)

    async def run(stream: Stream) -> None:
        socket = WebSocket(stream, text=version < (1, 28))
        await session.run(socket)
        await socket.close()

    return Hijack(run, 101, headers)
