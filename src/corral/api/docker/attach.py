"""Attaching to a container: its log so far, what it says from now on, and its standard input."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from corral.api.docker.at import name_of, version_of
from corral.api.docker.errors import status_of
from corral.api.docker.escape import parse_keys
from corral.api.docker.session import Wire, converse, manner
from corral.api.docker.streams import RAW, STDERR, STDOUT, frame, hijack_head
from corral.errors import CorralError, InvalidInput
from corral.http.message import Answer, Hijack, Request, Response
from corral.model.process import LogQuery

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi
    from corral.engine.engine import Engine
    from corral.engine.hub import Attachment
    from corral.http.stream import Stream
    from corral.model.container import Container


class Wanted(NamedTuple):
    """What a client asked for. `keys` b"" are the default ones."""

    stdin: bool
    stdout: bool
    stderr: bool
    logs: bool
    stream: bool
    keys: bytes


def wanted(request: Request, every_stream: bool = False) -> Wanted:
    """The parameters; `every_stream` attaches all three whatever they say. InvalidInput for keys that are none."""
    query = request.query
    text = query.get("detachKeys")
    try:
        keys = parse_keys(text)
    except ValueError:
        raise InvalidInput(f"Invalid detach keys ({text}) provided") from None
    stdin, stdout, stderr = (every_stream or query.flag(name) for name in ("stdin", "stdout", "stderr"))
    return Wanted(stdin, stdout, stderr, query.flag("logs"), query.flag("stream"), keys)


async def container_attach(api: DockerApi, request: Request) -> Answer:
    """Errors come before the connection is taken over, so that they have a status; their text is plain."""
    engine, version = api.engine, version_of(request)
    try:
        want = wanted(request)
        container = engine.containers.get(name_of(request))
        session = await Session.open(engine, container, want, frames=not container.spec.tty)
    except CorralError as error:
        return Response(status_of(error), {"Content-Type": RAW}, f"{error.message}\r\n".encode())

    async def run(stream: Stream) -> None:
        await session.run(stream)

    status, reason, headers = hijack_head(version, not container.spec.tty, "upgrade" in request.headers)
    return Hijack(run, status, headers, reason)


class Session:
    """One client at one container. What the container says waits from `open` on."""

    def __init__(
        self, engine: Engine, container: Container, want: Wanted, frames: bool, attachment: Attachment | None
    ) -> None:
        self._engine, self._container, self._want = engine, container, want
        self._frames, self._attachment = frames, attachment
        self._opened = time.time_ns()

    @classmethod
    async def open(cls, engine: Engine, container: Container, want: Wanted, *, frames: bool) -> Session:
        """NotFound, Conflict."""
        attachment = None
        if want.stream:
            attachment = await engine.containers.attach(
                container.id, stdin=want.stdin, stdout=want.stdout, stderr=want.stderr
            )
        return cls(engine, container, want, frames, attachment)

    async def run(self, wire: Wire) -> None:
        """The log, if that was asked for, then the conversation."""
        want, spec = self._want, self._container.spec
        try:
            if want.logs:
                await self._replay(wire)
            if self._attachment is None:
                return
            how = manner(
                stdin=want.stdin and spec.stdin_open,
                tty=spec.tty,
                frames=self._frames,
                keys=want.keys,
                closes_stdin=spec.stdin_once,
            )
            if await converse(wire, self._attachment, how):
                tell(self._engine, self._container, "detach")
        finally:
            if self._attachment is not None:
                await self._attachment.close()

    async def _replay(self, wire: Wire) -> None:
        want = self._want
        if not (want.stdout or want.stderr):
            return
        query = LogQuery(stdout=want.stdout, stderr=want.stderr, until=self._opened)
        try:
            async for entry in self._engine.containers.logs(self._container.id, query):
                stream = STDOUT if entry.stream == "stdout" else STDERR
                await wire.write(frame(stream, entry.data) if self._frames else entry.data)
        except CorralError as error:
            text = f"Error attaching: {error.message}\n".encode()
            await wire.write(frame(STDOUT, text) if self._frames else text)


def tell(engine: Engine, container: Container, action: str, **more: str) -> None:
    """Publishes an event of a container that only this API knows of."""
    attributes = {**container.spec.labels, "image": container.spec.image, "name": container.name, **more}
    engine.events.publish("container", action, container.id, attributes)
