"""Older: the way in which docker's own `build` asks for BuildKit where it has no buildx (DOCKER_BUILDKIT=1).

`POST /build?version=2` names a session; the answer is JSON whose `aux` are the messages that buildx gets of
`Control.Status`. A context that the client has as a stream is this request's body, or comes in one of its own under
the build's id.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from corral.api.buildkit.asked import UPLOADED
from corral.api.buildkit.schema import message
from corral.api.buildkit.solving import Solve
from corral.api.docker.answers import message as line
from corral.build.request import BuildRequest
from corral.errors import CorralError, InvalidInput
from corral.http.grpc.status import GrpcError
from corral.kit.ids import new_id

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit

UPLOAD: Final = "upload-request"
PATIENCE: Final = 5.0  # seconds that a build and its context wait for each other


class _Place:
    """Where a build and its context meet."""

    def __init__(self) -> None:
        self.body: asyncio.Future[AsyncIterator[bytes]] = asyncio.get_running_loop().create_future()
        self.taken, self.over = asyncio.Event(), asyncio.Event()


class Uploads:
    """Contexts that came in requests of their own, by the ids of their builds."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}

    async def give(self, id: str, body: AsyncIterator[bytes]) -> None:
        """Returns when the build has ended. InvalidInput where nobody takes it."""
        place = self._places.setdefault(id, _Place())
        if place.body.done():
            raise InvalidInput(f"there is a context for the build {id} already")
        place.body.set_result(body)
        try:
            async with asyncio.timeout(PATIENCE):
                await place.taken.wait()
        except TimeoutError:
            self._places.pop(id, None)
            raise InvalidInput(f"no build with the id {id} takes a context") from None
        await place.over.wait()

    @asynccontextmanager
    async def taken(self, id: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """For the while of the build. InvalidInput where none comes."""
        place = self._places.setdefault(id, _Place())
        try:
            async with asyncio.timeout(PATIENCE):
                body = await asyncio.shield(place.body)
        except TimeoutError:
            raise InvalidInput(f"no context came for the build {id}") from None
        finally:
            self._places.pop(id, None)
        place.taken.set()
        try:
            yield body
        finally:
            place.over.set()


def plan_attributes(wanted: BuildRequest, remote: str) -> dict[str, str]:
    """Pure: what the classic operation's parameters are to a frontend.

    >>> plan_attributes(BuildRequest(target="t", build_args={"A": "1", "B": None}), "client-session")
    {'filename': 'Dockerfile', 'target': 't', 'image-resolve-mode': 'default', 'build-arg:A': '1'}
    """
    found = {
        "filename": wanted.dockerfile,
        "target": wanted.target,
        "platform": wanted.platform,
        "image-resolve-mode": "pull" if wanted.pull else "default",
        "force-network-mode": wanted.network,
        "add-hosts": ",".join(one.replace(":", "=", 1) for one in wanted.extra_hosts),
        "ulimit": ",".join(f"{one.name}={one.soft}:{one.hard}" for one in wanted.ulimits),
        "shm-size": str(wanted.shm_size or ""),
        "cgroup-parent": wanted.cgroup_parent,
        "cache-from": ",".join(one.ref for one in wanted.cache_from),
        "context": "" if remote == "client-session" else remote,
    }
    found = {name: value for name, value in found.items() if value}
    found |= {f"build-arg:{name}": value for name, value in wanted.build_args.items() if value is not None}
    found |= {f"label:{name}": value for name, value in wanted.labels.items()}
    return found | ({"no-cache": ""} if wanted.no_cache else {})


def plan_request(
    wanted: BuildRequest, session: str, remote: str, outputs: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Pure: the fields of a SolveRequest. `outputs` are the client's, an image without any."""
    kinds = [(str(one.get("Type", "")), dict(one.get("Attrs") or {})) for one in outputs] or [("moby", {})]
    names = {"name": ",".join(wanted.tags)} if wanted.tags else {}
    exporters = [
        {"Type": kind, "Attrs": attributes | (names if kind in ("moby", "image") else {})}
        for kind, attributes in kinds
        if kind != "cacheonly"
    ]
    return {
        "Ref": new_id(),
        "Session": session,
        "Frontend": "dockerfile.v0",
        "FrontendAttrs": plan_attributes(wanted, remote),
        "Exporters": exporters,
        "Entitlements": ["network.host"] if wanted.network == "host" else [],
    }


async def lines(
    kit: BuildKit, wanted: BuildRequest, session: str, remote: str, outputs: Sequence[Mapping[str, Any]], quiet: bool,
    body: AsyncIterator[bytes] | None = None,
) -> AsyncGenerator[bytes, None]:  # fmt: skip
    """The build, as it goes on; closing it ends the build. With `quiet` only the image's id. `body` is the context
    where the request itself had it."""
    async with AsyncExitStack() as stack:
        if remote == UPLOAD:
            body = await stack.enter_async_context(kit.uploads.taken(wanted.id))
        if body is not None:
            remote = f"{UPLOADED}{wanted.id}"
        asked = message("SolveRequest", **plan_request(wanted, session, remote, outputs))
        solve = Solve(kit, asked, body, id=wanted.id)
        stack.push_async_callback(solve.close)
        work = asyncio.create_task(solve.run(), name=f"build {solve.ref[:12]}")
        stack.push_async_callback(_end, work)
        work.add_done_callback(lambda _: solve.feed.end())
        try:
            async for data in solve.feed:
                if not quiet:
                    yield line(id="moby.buildkit.trace", aux=base64.b64encode(data).decode())
            answer = await work
        except (CorralError, GrpcError) as error:
            yield line(errorDetail={"message": error.message}, error=error.message)
            return
        if id := answer.get("containerimage.digest"):
            yield line(stream=f"{id}\n") if quiet else line(id="moby.image.id", aux={"ID": id})


async def _end(work: asyncio.Task[dict[str, str]]) -> None:
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
