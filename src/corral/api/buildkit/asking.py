"""Asking: what the builder needs of a client it gets through the client's session, when it needs it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import quote_plus, urlsplit

from corral.api.buildkit.agents import serve_agent
from corral.api.buildkit.asked import UPLOADED, Asked
from corral.api.buildkit.diffcopy import receive
from corral.api.buildkit.schema import parse
from corral.api.buildkit.session import Session, failed
from corral.build.events import Telling, Vertex
from corral.build.frontend import Source, decode, read_file
from corral.build.request import BuildFailed
from corral.errors import InvalidInput, RemoteFailed, Unsupported
from corral.http.grpc.calls import calling
from corral.http.grpc.status import GrpcError
from corral.kit.ignore import IGNORE_FILE, parse_ignore
from corral.model.transfer import ANYBODY, Credentials

if TYPE_CHECKING:
    from corral.api.buildkit.serving import BuildKit

FILES: Final = "/moby.filesync.v1.FileSync/DiffCopy"
UPLOAD: Final = "/moby.upload.v1.Upload/Pull"
SECRET: Final = "/moby.buildkit.secrets.v1.Secrets/GetSecret"
AGENT: Final = "/moby.sshforward.v1.SSH/CheckAgent"
WHO: Final = "/moby.filesync.v1.Auth/Credentials"
HUB: Final = "registry-1.docker.io"  # what clients know Docker Hub as
STEP: Final = 1 << 20  # bytes between two notes on a transfer


def encode_values(name: str, values: Sequence[str]) -> dict[str, list[str]]:
    """Pure: metadata of a call; what is no ASCII is escaped, and said to be.

    >>> encode_values("a", ["x y"]), encode_values("a", ["ä b"])
    ({'a': ['x y']}, {'a': ['%C3%A4+b'], 'a-encoded': ['1']})
    """
    if all(value.isascii() for value in values):
        return {name: list(values)}
    return {name: [quote_plus(value) for value in values], f"{name}-encoded": ["1"]}


def plan_metadata(name: str, follow: Sequence[str] | None, exclude: Sequence[str]) -> dict[str, list[str]]:
    """Pure: which files of a directory are asked for: with `follow` these only, and what links among them lead to."""
    found = encode_values("dir-name", [name])
    if follow is not None:
        found |= encode_values("followpaths", follow)
    if exclude:
        found |= encode_values("exclude-patterns", exclude)
    return found


class Asking:
    """The builder's Client for one build. Use as a context manager: what it brought goes with it."""

    def __init__(
        self, kit: BuildKit, session: Session | None, asked: Asked, body: AsyncIterator[bytes] | None = None
    ) -> None:
        """`body` is the main context, where a request had it."""
        self._sessions, self._builder = kit.sessions, kit.builder
        self._session, self._asked, self._body = session, asked, body
        self._stack = AsyncExitStack()
        self._ignore: list[str] | None = None
        self._remote = ""  # the main context where it is not a directory of the client's
        self._agents: dict[str, str] = {}
        self._asking = asyncio.Lock()
        self.source = Source("Dockerfile", "")

    async def __aenter__(self) -> Asking:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    # What the builder asks

    async def dockerfile(self, telling: Telling) -> Source:
        asked = self._asked
        text: str | None = None
        if asked.remote:
            text = await self._bring(telling)
        if asked.remote and not asked.apart:
            if text is None:
                text = decode(read_file(self._remote, asked.filename), asked.filename)
            self.source = Source(os.path.basename(asked.filename), text)
            return self.source
        await self._local_dockerfile(telling)
        return self.source

    async def _local_dockerfile(self, telling: Telling) -> None:
        asked, name = self._asked, self._asked.filename
        wanted = [name, f"{name}.dockerignore"]
        if os.path.basename(name) == "Dockerfile":
            wanted.append(os.path.join(os.path.dirname(name), "dockerfile"))
        with telling.vertex(f"[internal] load build definition from {name}") as vertex:
            path = await self._directory(asked.dockerfile, vertex, "dockerfile", wanted, [])
        self.source = Source(name, decode(read_file(path, name), name))
        ignored = _read_any(path, f"{name}.dockerignore")
        self._ignore = None if ignored is None else _patterns(ignored)

    async def ignored(self, telling: Telling) -> list[str]:
        if self._asked.remote:
            return []
        if self._ignore is None:
            with telling.vertex(f"[internal] load {IGNORE_FILE}") as vertex:
                path = await self._directory(self._asked.context, vertex, "context", [IGNORE_FILE], [])
            self._ignore = _patterns(_read_any(path, IGNORE_FILE) or b"")
        return self._ignore

    async def _bring(self, telling: Telling) -> str | None:
        """The main context from its URL, or from the client as a stream; the Dockerfile if it is nothing else."""
        remote, builder = self._asked.remote, self._builder
        if remote.startswith(UPLOADED):
            with telling.vertex("[internal] load remote build context"):
                body = self._body or self._upload(remote)
                opening = builder.context(body, dockerfile=self._asked.filename, filtered=True)
                self._remote = (await self._stack.enter_async_context(opening)).path
            return None
        git = not remote.startswith(("http://", "https://")) or urlsplit(remote).path.endswith(".git")
        what = f"[internal] load git source {remote}" if git else "[internal] load remote build context"
        with telling.vertex(what):
            agent = await self.agent("default")
            opening = builder.context(remote=remote, dockerfile=self._asked.filename, filtered=True, ssh_agent=agent)
            context = await self._stack.enter_async_context(opening)
        self._remote = context.path
        return context.dockerfile_text

    async def context(self, paths: Sequence[str] | None, telling: Telling) -> str:
        if self._asked.remote:
            return self._remote
        with telling.vertex("[internal] load build context") as vertex:
            return await self._directory(self._asked.context, vertex, "context", paths, self._ignore or [])

    async def directory(self, name: str, where: str, telling: Telling) -> str:
        kind, _, local = where.partition(":")
        if kind != "local":
            raise InvalidInput(f"unsupported context source {kind} for {name}")
        with telling.vertex(f"[context {name}] load {IGNORE_FILE}") as vertex:
            path = await self._directory(local, vertex, name, [IGNORE_FILE], [])
        ignore = _patterns(_read_any(path, IGNORE_FILE) or b"")
        with telling.vertex(f"[context {name}] load from client") as vertex:
            return await self._directory(local, vertex, name, None, ignore)

    async def secret(self, id: str) -> bytes | None:
        if self._session is None:
            return None
        found = await self._session.ask(SECRET, "GetSecretRequest", "GetSecretResponse", ID=id)
        return None if found is None else bytes(found.data)

    async def agent(self, id: str) -> str:
        """A socket of ours that leads to the client's agent."""
        session = self._session
        if session is None:
            return ""
        async with self._asking:
            if id not in self._agents:
                self._agents[id], known = "", None
                with suppress(RemoteFailed):  # a client that has none says so in words of its own
                    known = await session.ask(AGENT, "CheckAgentRequest", "Empty", ID=id)
                if known is not None:
                    folder = self._stack.enter_context(tempfile.TemporaryDirectory(dir=self._builder.scratch))
                    path = f"{folder}/agent"
                    await self._stack.enter_async_context(serve_agent(session.link, id, path))
                    self._agents[id] = path
        return self._agents[id]

    async def credentials(self, domain: str) -> Credentials:
        if self._session is None:
            return ANYBODY
        host = HUB if domain == "docker.io" else domain
        found = await self._session.ask(WHO, "CredentialsRequest", "CredentialsResponse", Host=host)
        if found is None or not (found.Username or found.Secret):
            return ANYBODY
        if not found.Username:
            return Credentials(identity_token=found.Secret)
        return Credentials(found.Username, found.Secret)

    # How it is brought

    async def _caller(self, path: str, name: str = "") -> Session:
        """Who serves a method, for a directory of this name."""
        shared = self._asked.sessions.get(name)
        session = await self._sessions.get(shared) if shared else self._session
        if session is None or not session.serves(path):
            raise Unsupported("no local sources enabled")
        return session

    async def _directory(
        self, name: str, vertex: Vertex, shown: str, follow: Sequence[str] | None, exclude: Sequence[str]
    ) -> str:
        """A directory of the client's, or what is wanted of it."""
        metadata = plan_metadata(name, follow, exclude)
        opening = self._builder.context(self._files(name, metadata, vertex, shown), filtered=True)
        return (await self._stack.enter_async_context(opening)).path

    async def _files(
        self, name: str, metadata: dict[str, list[str]], vertex: Vertex, shown: str
    ) -> AsyncIterator[bytes]:
        said = total = 0

        def note(came: int) -> None:
            nonlocal said, total
            total = came
            if came - said >= STEP:
                said = came
                vertex.transferred(f"transferring {shown}:", came)

        session = await self._caller(FILES, name)
        try:
            async with calling(session.link, FILES, metadata) as flow, aclosing(receive(flow, note)) as pieces:
                async for piece in pieces:
                    yield piece
        except GrpcError as error:
            raise failed(error) from error
        vertex.transferred(f"transferring {shown}:", total)

    async def _upload(self, remote: str) -> AsyncIterator[bytes]:
        """The stream that the client has a context in."""
        parts = urlsplit(remote)
        session = await self._caller(UPLOAD)
        try:
            async with calling(session.link, UPLOAD, {"urlpath": [parts.path], "urlhost": [parts.netloc]}) as flow:
                while (data := await flow.receive()) is not None:
                    yield bytes(parse("BytesMessage", data).data)
                flow.check()
        except GrpcError as error:
            raise failed(error) from error


def _read_any(path: str, name: str) -> bytes | None:
    try:
        return read_file(path, name)
    except BuildFailed:
        return None


def _patterns(data: bytes) -> list[str]:
    return parse_ignore(data.decode("utf-8", "replace"))
