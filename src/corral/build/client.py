"""Client: who asked for a build, and what it can be asked for while that goes on: files, secrets, agents, passwords.

`Given` has all of it in its request. A client that keeps a session open is asked when the need comes, so that a
context that nothing copies from is never sent, and a secret that no step reads never leaves its place.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import Protocol

from corral.build import frontend
from corral.build.bases import find_credentials
from corral.build.copying.giturl import is_remote
from corral.build.dockerfile import StageSteps
from corral.build.events import Telling
from corral.build.frontend import Source
from corral.build.ops import CopyOp, Op, RunOp
from corral.build.request import BuildRequest
from corral.errors import NotFound
from corral.kit.paths import clean
from corral.model.transfer import Credentials


class Client(Protocol):
    """Directories that it gives stay until the build has ended. CorralError for what cannot be had."""

    async def dockerfile(self, telling: Telling) -> Source: ...

    async def ignored(self, telling: Telling) -> list[str]:
        """The patterns of .dockerignore that lint is to know; none where the context has no longer what they name."""

    async def context(self, paths: Sequence[str] | None, telling: Telling) -> str:
        """The main context as a directory, with `paths` at least (None is all of it); "" where there is none."""

    async def directory(self, name: str, where: str, telling: Telling) -> str:
        """A named context that is the client's, of which the request says `where`."""

    async def secret(self, id: str) -> bytes | None: ...

    async def agent(self, id: str) -> str:
        """The socket of an ssh agent; "" where there is none."""

    async def credentials(self, domain: str) -> Credentials:
        """Who the client is at a registry."""


class Given:
    """All there is to be had is in the request already."""

    def __init__(self, request: BuildRequest) -> None:
        self._request = request

    async def dockerfile(self, telling: Telling) -> Source:
        name = os.path.basename(self._request.dockerfile)
        with telling.vertex(f"[internal] load build definition from {name}"):
            return await asyncio.to_thread(frontend.read, self._request)

    async def ignored(self, telling: Telling) -> list[str]:
        return []

    async def context(self, paths: Sequence[str] | None, telling: Telling) -> str:
        return self._request.context

    async def directory(self, name: str, where: str, telling: Telling) -> str:
        if not os.path.isdir(where):
            raise NotFound(f"named context {name}: {where or 'nothing'} is no directory")
        return where

    async def secret(self, id: str) -> bytes | None:
        return self._request.secrets.get(id)

    async def agent(self, id: str) -> str:
        return self._request.ssh.get(id, "")

    async def credentials(self, domain: str) -> Credentials:
        return find_credentials(self._request.credentials, domain)


def plan_paths(stages: Iterable[StageSteps]) -> list[str] | None:
    """Pure: what these stages read of the main context; None is all of it.

    >>> from corral.build.dockerfile import Stage
    >>> from corral.build.ops import Span, Step
    >>> from corral.model.image import ImageConfig
    >>> place = Span(1, 1)
    >>> def stage(*ops):
    ...     steps = [Step("", "", place, ImageConfig(), op) for op in ops]
    ...     return StageSteps(Stage(0, "", "", "", place), steps, None)
    >>> plan_paths([stage(CopyOp(["./a/*.c", "https://x/y"], "/", add=True), CopyOp(["b"], "/", "stage:0"))])
    ['a/*.c']
    >>> plan_paths([stage(CopyOp(["a"], "/"), CopyOp(["."], "/"))]) is None
    True
    """
    found = [clean(path) for stage in stages for step in stage.steps for path in _read(step.op)]
    found = [path.lstrip("/") for path in found]
    return None if any(path in ("", ".") or path.startswith("..") for path in found) else list(dict.fromkeys(found))


def _read(op: Op | None) -> list[str]:
    if isinstance(op, CopyOp) and not op.origin:
        return [path for path in op.sources if not (op.add and is_remote(path))]
    if isinstance(op, RunOp):
        return [mount.source or "/" for mount in op.mounts if mount.kind == "bind" and not mount.origin]
    return []
