"""Links: builds that stand on another's result (bake's `target:NAME`). BuildKit's clients hand such a result on as its
build graph; ours is a graph of one source that only names the result, which is made an image when another needs it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import AsyncExitStack, suppress
from typing import TYPE_CHECKING, Any, Final

from corral.api.buildkit.asked import Asked
from corral.api.buildkit.schema import message, parse
from corral.errors import CorralError, InvalidInput, Unsupported
from corral.http.grpc.status import GrpcError

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit

SCHEME: Final = "corral-result://"
NO_GRAPH: Final = "a build graph (LLB) of the client's own is not supported: Corral builds Dockerfiles"


def definition(ref: str, name: str) -> dict[str, Any]:
    """Pure: the graph that names a result of a build.

    >>> read(message("Definition", **definition("r", "n")))
    ('r', 'n')
    """
    source = message("Op", source={"identifier": f"{SCHEME}{ref}/{name}"}).SerializeToString()
    end = message("Op", inputs=[{"digest": _digest(source)}]).SerializeToString()
    return {"def": [source, end], "metadata": {_digest(one): message("Empty") for one in (source, end)}}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def read(graph: Any) -> tuple[str, str]:
    """Pure: (a build, a result's name). Unsupported for any other graph."""
    with suppress(GrpcError):
        for data in getattr(graph, "def"):
            identifier = parse("Op", data).source.identifier
            ref, mark, name = identifier.removeprefix(SCHEME).partition("/")
            if identifier.startswith(SCHEME) and mark:
                return ref, name
    raise Unsupported(NO_GRAPH)


class Links:
    """The images that were made only for others to stand on: each goes when the last of these has ended."""

    def __init__(self, kit: BuildKit) -> None:
        self._kit = kit
        self._users: Counter[str] = Counter()

    async def resolve(self, asked: Asked, graphs: Any, stack: AsyncExitStack) -> None:
        """Has `asked` stand on images instead of graphs, until `stack` is closed. CorralError."""
        for name, value in list(asked.request.contexts.items()):
            if not value.startswith("input:"):
                continue
            key = value.removeprefix("input:")
            if key not in graphs:
                raise InvalidInput(f"no input {key} for {name}")
            ref, result = read(graphs[key])
            image, made = await (await self._kit.solves.get(ref)).image(result)
            if made or image in self._users:
                self._users[image] += 1
                stack.push_async_callback(self._release, image)
            asked.request.contexts[name] = f"docker-image://{image}"
        used = {value for value in asked.inputs if f"input:{value}" not in asked.request.contexts.values()}
        if any(key in ("context", "dockerfile") for key in used):
            raise Unsupported(NO_GRAPH)

    async def _release(self, image: str) -> None:
        self._users[image] -= 1
        if not self._users[image]:
            del self._users[image]
            with suppress(CorralError):  # somebody has removed it, or uses it
                await self._kit.forget(image)
