"""Solving: a build from `Control.Solve` to its end, and those that are under way.

With a frontend in the request it is built at once. Without one the client calls the frontend itself: it asks the bridge
for what it wants (each a `Result` of that name), and returns one of these; that one is built then, with the exporters
of the request. Only what a result says is asked before: questions about a Dockerfile, and `evaluate`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from corral.api.buildkit.asked import Asked, cache_store, plan_asked, plan_output
from corral.api.buildkit.asking import Asking
from corral.api.buildkit.failure import grpc_error
from corral.api.buildkit.links import NO_GRAPH
from corral.api.buildkit.outputs import Target, opened
from corral.api.buildkit.progress import Progress
from corral.api.buildkit.schema import message
from corral.api.buildkit.session import Session
from corral.build.events import CLIPPED
from corral.build.outputs import plan_names
from corral.build.request import BuildFailed, BuildRequest, Built, Given, Output
from corral.errors import Conflict, CorralError, InvalidInput, NotFound, Unsupported

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit

LATE: Final = 20.0  # seconds in which a build that has ended can still be asked how it went
PATIENCE: Final = 5.0  # seconds until a build that is asked about must have begun
WAITING: Final = 4 << 20  # bytes of progress that may wait for a client; of more, output is left out


class Feed:
    """Messages for the one who watches a build. Output is left out where it is not taken, and that is told."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._changed = asyncio.Event()
        self._clipped = False
        self.ended = False
        self.watched = False

    def put(self, response: Any) -> None:
        data, optional = response.SerializeToString(), not (response.vertexes or response.warnings)
        if optional and self._size + len(data) > WAITING:
            self._clipped = self._clipped or bool(response.logs)
            return
        if self._clipped and response.logs:
            self._clipped = False
            log = {"vertex": response.logs[0].vertex, "timestamp": response.logs[0].timestamp, "stream": 2}
            data = message("StatusResponse", logs=[{**log, "msg": CLIPPED}]).SerializeToString() + data
        self._size += len(data)
        self._waiting.append(data)
        self._changed.set()

    def end(self) -> None:
        self.ended = True
        self._changed.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.watched = True
        while True:
            while self._waiting:
                data = self._waiting.popleft()
                self._size -= len(data)
                yield data
            if self.ended:
                return
            self._changed.clear()
            await self._changed.wait()


class Solve:
    """One build that a client asked for. `asked` are the frontend's results, by name."""

    def __init__(self, kit: BuildKit, request: Any, body: AsyncIterator[bytes] | None = None, *, id: str = "") -> None:
        """`body` is the main context, where a request had it; `id` is what the builder may be told to cancel it by."""
        self._kit, self._request, self._body, self._id = kit, request, body, id
        self.ref: str = request.Ref
        self.feed = Feed()
        self.asked: dict[str, Asked] = {}
        self.returned: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.held = AsyncExitStack()  # what its results stand on
        self._images: dict[str, asyncio.Task[tuple[str, bool]]] = {}
        self.outputs, self.annotations = plan_outputs(request)
        check_request(request)

    async def run(self) -> dict[str, str]:
        """What the exporters answer. CorralError, GrpcError."""
        request = self._request
        if request.Frontend:
            asked = plan_asked(request.Frontend, request.FrontendAttrs, list(request.FrontendInputs))
            await self._kit.links.resolve(asked, request.FrontendInputs, self.held)
        else:
            name = await self.returned
            if not name:
                return {}
            asked = self.asked[name]
        return await self.build(asked, self.outputs or [Output("none")])

    async def image(self, name: str) -> tuple[str, bool]:
        """The id of a result's image, and whether that was made only now. CorralError, GrpcError."""
        if name not in self.asked:
            raise NotFound(f"no such ref: {name}")
        if name not in self._images:
            self._images[name] = asyncio.create_task(self._make(name), name=f"result {name}")
        return await asyncio.shield(self._images[name])

    async def _make(self, name: str) -> tuple[str, bool]:
        before = {image.id for image in self._kit.engine.images.list()}
        answer = await self.build(self.asked[name], [Output("image")])
        id = answer["containerimage.config.digest"]
        return id, id not in before

    async def close(self) -> None:
        """When it has ended: what its results stand on is let go."""
        if self.returned.done() and not self.returned.cancelled():
            self.returned.exception()  # nobody may have asked
        for task in self._images.values():
            task.cancel()
        await asyncio.gather(*self._images.values(), return_exceptions=True)
        await self.held.aclose()

    async def session(self) -> Session | None:
        id = self._request.Session
        return await self._kit.sessions.get(id) if id else None

    async def build(self, asked: Asked, outputs: list[Output]) -> dict[str, str]:
        """Builds, and hands out what it gives. GrpcError, with the place in the Dockerfile."""
        session = await self.session()
        wanted = self._complete(asked.request, outputs)
        directory = any(one.Type == "local" for one in exporters(self._request))
        progress = Progress(f"{self.ref} {len(self.asked)}", _names(wanted), directory=directory)
        async with Asking(self._kit, session, asked, self._body) as client:
            try:
                return await self._follow(client, wanted, progress, session)
            except CorralError as error:
                raise grpc_error(error, client.source) from error

    def _complete(self, wanted: BuildRequest, outputs: list[Output]) -> BuildRequest:
        """With all that stands beside the frontend's attributes."""
        request = self._request
        check_network(wanted.network, request.Entitlements)
        stores = [cache_store("to", one.Type, one.Attrs) for one in request.Cache.Exports]
        return replace(
            wanted,
            outputs=outputs,
            annotations=self.annotations,
            cache_to=stores,
            allow_insecure="security.insecure" in request.Entitlements,
            allow_host_network="network.host" in request.Entitlements,
            id=self._id,
        )

    async def _follow(
        self, client: Asking, wanted: BuildRequest, progress: Progress, session: Session | None
    ) -> dict[str, str]:
        answer: dict[str, str] = {}
        target: Target | None = None
        async with AsyncExitStack() as stack:
            events = await stack.enter_async_context(aclosing(self._kit.builder.build(wanted, client)))
            async for event in events:
                if isinstance(event, Given):
                    if target is None:
                        target = await stack.enter_async_context(self._target(session, stack))
                    assert target is not None
                    progress.given += len(event.data)
                    await target.write(event.data)
                    continue
                progress.source = (client.source.name, client.source.text.encode(errors="replace"))
                if (shown := progress.take(event, self._kit.now())) is not None:
                    self.feed.put(shown)
                if isinstance(event, Built):
                    self._kit.tell(event)
                    answer = plan_answer(event)
            if target is not None:
                await target.end()
        return answer

    def _target(self, session: Session | None, stack: AsyncExitStack) -> AbstractAsyncContextManager[Target]:
        """Where what is given out goes: to the one exporter that takes it."""
        kinds = [one.Type for one in exporters(self._request)]
        number = next(n for n, kind in enumerate(kinds) if kind not in ("moby", "image"))
        spool = stack.enter_context(self._kit.builder.spool()) if kinds[number] == "local" else None
        return opened(session, number, spool)


def exporters(request: Any) -> list[Any]:
    """Pure: those of a request, or the one that older clients name."""
    found = list(request.Exporters)
    if not found and request.ExporterDeprecated:
        found = [message("Exporter", Type=request.ExporterDeprecated, Attrs=dict(request.ExporterAttrsDeprecated))]
    return found


def plan_outputs(request: Any) -> tuple[list[Output], dict[str, str]]:
    """Pure: the outputs, and the annotations that they ask for. Unsupported."""
    outputs: list[Output] = []
    annotations: dict[str, str] = {}
    for one in exporters(request):
        output, said = plan_output(one.Type, one.Attrs)
        outputs.append(output)
        annotations |= said
    return outputs, annotations


def check_request(request: Any) -> None:
    """Pure: Unsupported for what is asked for and not offered."""
    if getattr(request.Definition, "def"):
        raise Unsupported(NO_GRAPH)
    if request.SourcePolicy or request.SourcePolicySession:
        raise Unsupported("source policies are not supported")
    if request.EnableSessionExporter or request.ProxyNetwork:
        raise Unsupported("session exporters and proxy networks are not supported")
    for one in request.Entitlements:
        if one not in ("network.host", "security.insecure"):
            raise Unsupported(f"entitlement {one} is not supported")


def check_network(mode: str, rights: Collection[str]) -> None:
    """Pure. BuildFailed where what the build runs is to be in the host's network, and the client has not said that it
    may: clients do where that is what they were told (`--network=host`).

    >>> check_network("none", []), check_network("host", ["network.host"])
    (None, None)
    >>> check_network("host", ["security.insecure"])
    Traceback (most recent call last):
    corral.build.request.BuildFailed: failed to load LLB: network.host is not allowed
    """
    if mode == "host" and "network.host" not in rights:
        raise BuildFailed("failed to load LLB: network.host is not allowed")


def plan_answer(built: Built) -> dict[str, str]:
    """Pure: what a client learns of the image.

    >>> plan_answer(Built("sha256:a", ["docker.io/library/a:latest"]))["image.name"]
    'docker.io/library/a:latest'
    """
    if not built.image and not built.digest:
        return {}
    id = built.image or built.digest
    answer = {"containerimage.config.digest": id, "containerimage.digest": id}
    return answer | ({"image.name": ",".join(built.names)} if built.names else {})


def _names(wanted: BuildRequest) -> list[str]:
    with suppress(CorralError):
        return [name for output in wanted.outputs if output.kind == "image" for name in plan_names(wanted, output)]
    return []


class Solves:
    """Those under way, and those that ended just now."""

    def __init__(self) -> None:
        self._open: dict[str, Solve] = {}
        self._changed = asyncio.Event()

    def add(self, solve: Solve) -> None:
        if not solve.ref:
            raise InvalidInput("a build needs a ref")
        if solve.ref in self._open and not self._open[solve.ref].feed.ended:
            raise Conflict(f"job ID {solve.ref} exists")
        self._open[solve.ref] = solve
        self._changed.set()

    def end(self, solve: Solve) -> None:
        """Its progress can be had for a little longer."""
        solve.feed.end()
        solve.returned.cancel()
        asyncio.get_running_loop().call_later(0 if solve.feed.watched else LATE, self._forget, solve)

    def _forget(self, solve: Solve) -> None:
        if self._open.get(solve.ref) is solve:
            del self._open[solve.ref]

    async def get(self, ref: str) -> Solve:
        """One that may be about to begin. NotFound."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while ref not in self._open:
                    self._changed.clear()
                    await self._changed.wait()
                return self._open[ref]
        raise NotFound(f"no such job {ref}")
