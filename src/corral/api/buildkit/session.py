"""Sessions: connections on which clients let us call them, found by the ids that they chose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from corral.api.buildkit.schema import message, parse
from corral.errors import Conflict, CorralError, InvalidInput, NotFound, RemoteFailed
from corral.http.grpc.calls import call
from corral.http.grpc.link import Link
from corral.http.grpc.status import NOT_FOUND, UNIMPLEMENTED, GrpcError
from corral.http.message import ClientGone

if TYPE_CHECKING:
    from corral.http.grpc.flow import Flow
    from corral.http.stream import Duplex

ID: Final = "x-docker-expose-session-uuid"  # in headers, or in metadata
METHODS: Final = "x-docker-expose-session-grpc-method"
HEALTH: Final = "/grpc.health.v1.Health/Check"
PATIENCE: Final = 10.0  # seconds until a session that a build names must be there
PULSE: Final = 5.0  # seconds between two looks at whether a client still answers
SILENCE: Final = 30.0  # seconds after which one that does not has gone
MOST: Final = 256  # sessions at a time


class Session:
    """One client's. `methods` are those that it serves."""

    def __init__(self, id: str, methods: Sequence[str], link: Link) -> None:
        self.id, self.link = id, link
        self._methods = {method.lower() for method in methods}

    def serves(self, path: str) -> bool:
        return path.lower() in self._methods

    async def ask(self, path: str, name: str, answer: str, **fields: Any) -> Any | None:
        """The answer to one question; None where the client does not know such questions, or the thing. Failed."""
        if not self.serves(path):
            return None
        try:
            data = await call(self.link, path, message(name, **fields).SerializeToString())
        except GrpcError as error:
            if error.code in (UNIMPLEMENTED, NOT_FOUND):
                return None
            raise failed(error) from error
        return parse(answer, data)


class Channel:
    """The bytes of a session within a call (`Control.Session`), as of a connection."""

    def __init__(self, flow: Flow) -> None:
        self._flow, self.gone = flow, flow.over

    async def read(self) -> bytes:
        with suppress(GrpcError):
            while (data := await self._flow.receive()) is not None:
                if found := bytes(parse("BytesMessage", data).data):
                    return found
        return b""

    async def write(self, data: bytes) -> None:
        try:
            await self._flow.send(message("BytesMessage", data=data).SerializeToString())
        except GrpcError as error:
            raise ClientGone("the client has gone") from error


def failed(error: GrpcError) -> CorralError:
    """That a client did not give what it was asked for."""
    return NotFound(error.message) if error.code == NOT_FOUND else RemoteFailed(error.message)


class Sessions:
    """Those that are open."""

    def __init__(self) -> None:
        self._open: dict[str, Session] = {}
        self._changed = asyncio.Event()

    def check(self, id: str) -> str:
        """The id of one that is to be opened. InvalidInput, Conflict."""
        if not id:
            raise InvalidInput("no session id: X-Docker-Expose-Session-Uuid is missing")
        if id in self._open:
            raise Conflict(f"session {id} already exists")
        if len(self._open) >= MOST:
            raise Conflict(f"there are {MOST} sessions already")
        return id

    async def serve(self, id: str, methods: Sequence[str], wire: Duplex) -> None:
        """Keeps it until the client leaves."""
        if id in self._open:
            return
        link = Link(wire)
        self._open[id] = Session(id, methods, link)
        self._changed.set()
        pulse = asyncio.ensure_future(_watch(link))
        work = asyncio.ensure_future(link.run())
        try:
            await asyncio.wait((pulse, work), return_when=asyncio.FIRST_COMPLETED)
        finally:
            del self._open[id]
            pulse.cancel()
            work.cancel()
            await asyncio.gather(pulse, work, return_exceptions=True)

    async def get(self, id: str) -> Session:
        """One that may be about to open. NotFound."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while id not in self._open:
                    self._changed.clear()
                    await self._changed.wait()
                return self._open[id]
        raise NotFound(f"no active session for {id}: context deadline exceeded")


def check_upgrade(upgrade: str) -> None:
    """Pure. InvalidInput.

    >>> check_upgrade("tcp")
    Traceback (most recent call last):
    corral.errors.InvalidInput: protocol tcp not supported
    """
    if not upgrade:
        raise InvalidInput("no upgrade proto in request")
    if upgrade.lower() != "h2c":
        raise InvalidInput(f"protocol {upgrade} not supported")


def methods_of(values: Sequence[str]) -> list[str]:
    """Pure: the methods that a client announces: a header for each, or several in one.

    >>> methods_of(["/a.B/C", "/a.B/D, /a.B/E"])
    ['/a.B/C', '/a.B/D', '/a.B/E']
    """
    return [word.strip() for value in values for word in value.split(",") if word.strip()]


async def _watch(link: Link) -> None:
    """Returns when the client does not answer any more: one whose machine is gone says nothing of it."""
    while True:
        await asyncio.sleep(PULSE)
        try:
            async with asyncio.timeout(SILENCE):
                await call(link, HEALTH, b"")
        except TimeoutError:
            return
        except GrpcError as error:
            if error.code != UNIMPLEMENTED:
                return
