"""`POST /corral/build`: a build with all that Docker's classic operation cannot carry, for `corral build`.

The body is parts, each of which is pieces with their lengths (4 bytes, big endian) before them and a length of 0 at
its end: a JSON object (`Asked`), then the tar of each context and of each cache that it announces. So a secret never
stands in a URL or a header. The answer is a line of JSON for each BuildEvent; `Built` or `Failed` is the last.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, aclosing
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from corral.api.docker.answers import first
from corral.api.docker.build import tell
from corral.api.docker.build_query import check_limits
from corral.build.copying.giturl import is_remote
from corral.build.request import BuildEvent, BuildFailed, BuildRequest
from corral.errors import CorralError, InvalidInput, Unsupported
from corral.http.message import Answer, Request, StreamResponse
from corral.model.container import Struct

if TYPE_CHECKING:
    from corral.api.docker.app import DockerApi

LINES = {"Content-Type": "application/x-ndjson"}
LIMIT = 64 << 20  # bytes of the description, secrets and Dockerfile included


class Asked(Struct):
    """`local` names the contexts whose tars follow, in order: "" is the main one, the others are named ones.

    `remote` is the main one's URL, where it is the daemon's to fetch. `caches` are numbers among the request's
    `cache_from`: the tars of their directories follow the contexts.
    """

    request: BuildRequest
    local: list[str] = []
    remote: str = ""
    caches: list[int] = []


class Failed(Struct, tag=True):
    """The end of a build that did not go well."""

    message: str
    excerpt: str = ""
    exit_code: int = 0


class Parts:
    """The parts of a body. Each must be read to its end before the next."""

    def __init__(self, pieces: AsyncIterator[bytes]) -> None:
        self._pieces = pieces
        self._buffer = bytearray()

    async def _fill(self, size: int) -> None:
        while len(self._buffer) < size:
            piece = await anext(self._pieces, b"")
            if not piece:
                raise InvalidInput("the body ends in the middle of a part")
            self._buffer += piece

    async def next(self) -> AsyncIterator[bytes]:
        while True:
            await self._fill(4)
            left = int.from_bytes(self._buffer[:4], "big")
            del self._buffer[:4]
            if not left:
                return
            while left:
                await self._fill(1)
                piece = bytes(self._buffer[:left])
                del self._buffer[: len(piece)]
                left -= len(piece)
                yield piece


async def build(api: DockerApi, request: Request) -> Answer:
    parts = Parts(request.stream())
    asked = await read_asked(parts)
    check_asked(asked, request.local)
    return StreamResponse(await first(request, lines(run(api, asked, parts))), 200, LINES)


async def read_asked(parts: Parts) -> Asked:
    text = bytearray()
    async for piece in parts.next():
        text += piece
        if len(text) > LIMIT:
            raise InvalidInput(f"the description of a build may have {LIMIT >> 20} MB at most")
    try:
        return msgspec.json.decode(text, type=Asked)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"the description of the build cannot be read: {error}") from None


def check_asked(asked: Asked, local: bool) -> None:
    """Pure. `local`: the client is on this machine. InvalidInput, Unsupported.

    >>> check_asked(Asked(BuildRequest(ssh={"default": "/tmp/agent"})), False)
    Traceback (most recent call last):
        ...
    corral.errors.Unsupported: ssh agents (default) are not offered over TCP: the daemon reaches only those of its own \
machine, through its unix socket
    """
    wanted = asked.request
    if wanted.ssh and not local:
        raise Unsupported(
            f"ssh agents ({', '.join(wanted.ssh)}) are not offered over TCP: the daemon reaches only those of its own "
            "machine, through its unix socket"
        )
    if wanted.context or not all(map(is_remote, wanted.contexts.values())):
        raise InvalidInput("contexts are sent, not named by a path of this machine")
    if "" in asked.local and asked.remote:
        raise InvalidInput("a build has one main context: sent, or at a URL")
    check_limits(wanted.resources)
    stores = enumerate(wanted.cache_from)
    if asked.caches != [number for number, store in stores if store.kind == "local"]:
        raise InvalidInput("the directory of each cache of type=local is sent, in order: announce them in caches")


async def run(api: DockerApi, asked: Asked, parts: Parts) -> AsyncGenerator[BuildEvent, None]:
    """Takes the contexts in, and builds."""
    wanted = asked.request
    async with AsyncExitStack() as stack:
        if asked.remote:
            agent = wanted.ssh.get("default", "")
            opening = api.builder.context(remote=asked.remote, dockerfile=wanted.dockerfile, ssh_agent=agent)
            context = await stack.enter_async_context(opening)
            text = wanted.dockerfile_text if wanted.dockerfile_text is not None else context.dockerfile_text
            wanted = replace(wanted, context=context.path, dockerfile_text=text)
        for name in asked.local:
            context = await stack.enter_async_context(api.builder.context(parts.next(), filtered=True))
            if name:
                wanted = replace(wanted, contexts={**wanted.contexts, name: context.path})
            else:
                wanted = replace(wanted, context=context.path)
        for number in asked.caches:
            found = await stack.enter_async_context(api.builder.context(parts.next(), filtered=True))
            stores = list(wanted.cache_from)
            stores[number] = replace(stores[number], ref=found.path)
            wanted = replace(wanted, cache_from=stores)
        events = await stack.enter_async_context(aclosing(api.builder.build(wanted)))
        async for event in events:
            tell(api, event)
            yield event


async def lines(events: AsyncGenerator[BuildEvent, None]) -> AsyncGenerator[bytes, None]:
    """Each event as a line; a failure is the last one."""
    encoder = msgspec.json.Encoder()
    async with aclosing(events):
        try:
            async for event in events:
                yield encoder.encode(event) + b"\n"
        except CorralError as error:
            failed = Failed(error.message)
            if isinstance(error, BuildFailed):
                failed = Failed(error.message, error.excerpt, error.exit_code)
            yield encoder.encode(failed) + b"\n"
