"""A registry under test: ours in a thread of this process, and a plain HTTP client for any registry."""

from __future__ import annotations

import asyncio
import http.client
import json
import ssl
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from corral.http.server import Server
from corral.images.content import Content
from corral.registry.app import Registry
from corral.registry.config import RegistryConfig
from tests.support import oci


class Answer(NamedTuple):
    """One HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """The error codes, once the body was found to have the specification's form."""
        errors = self.json["errors"]
        assert errors and all(set(error) <= {"code", "message", "detail"} for error in errors)
        return [error["code"] for error in errors]


class RegistryClient:
    """What the tests ask a registry at `host`:`port`, each on a connection of its own."""

    def __init__(self, host: str, port: int) -> None:
        self.host, self.port = host, port

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """An iterable is sent in chunks."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            chunked = body is not None and not isinstance(body, bytes)
            connection.request(method, path, body=body, headers=dict(headers or {}), encode_chunked=chunked)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, found, answer.read())
        finally:
            connection.close()

    # What a client does.

    def start(self, repository: str, query: str = "") -> str:
        """A new upload: where it goes on."""
        answer = self.ask("POST", f"/v2/{repository}/blobs/uploads/{query}", b"")
        assert answer.status == 202, answer
        return answer.headers["location"]

    def push_blob(self, repository: str, data: bytes, algorithm: str = "sha256") -> str:
        digest = oci.digest(data, algorithm)
        answer = self.ask("PUT", f"{self.start(repository)}?digest={digest}", data)
        assert answer.status == 201, answer
        return digest

    def push_manifest(self, repository: str, reference: str, data: bytes, media_type: str = oci.MANIFEST) -> Answer:
        return self.ask("PUT", f"/v2/{repository}/manifests/{reference}", data, {"Content-Type": media_type})

    def push(self, repository: str, tag: str, image: oci.OciImage) -> str:
        """A whole image: its digest."""
        for blob in image.blobs:
            self.push_blob(repository, blob)
        answer = self.push_manifest(repository, tag or image.digest, image.manifest)
        assert answer.status == 201, answer
        return image.digest


class LiveRegistry(RegistryClient):
    """`with LiveRegistry(folder) as registry:` serves it on the loopback. `settings` as in `RegistryConfig`."""

    def __init__(
        self, folder: Path, *, content: Content | None = None, tls: ssl.SSLContext | None = None, **settings: Any
    ) -> None:
        super().__init__("127.0.0.1", 0)
        self.config = RegistryConfig(str(folder), tls=tls is not None, **settings)
        self._tls = tls
        self._content = content
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="live-registry")
        self._failure: BaseException | None = None

    def __enter__(self) -> LiveRegistry:
        self._thread.start()
        self._ready.wait()
        if self._failure:
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    async def _serve(self) -> None:
        self.loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            self.registry = await Registry.open(self.config, self._content)
            server = Server(self.registry.handle)
            self.port = await server.listen_tcp("127.0.0.1", 0, self._tls)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._ready.set()
        await self._stop.wait()
        await server.close(grace=0.1)
        await self.registry.close()

    def run(self, work: Any) -> Any:
        """A coroutine in the registry's own event loop: its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)
