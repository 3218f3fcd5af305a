"""The Docker API on a unix socket in front of the fake engine, in a thread of its own: for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

from corral.api.docker.app import DockerApi
from corral.http.server import Server
from tests.support.fake_builder import FakeBuilder
from tests.support.fake_engine import FakeEngine


class FakeServer:
    """`with FakeServer(path) as server:`; `server.call(coroutine)` runs something in the server's loop."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.url = f"unix://{path}"
        self.loop = asyncio.new_event_loop()
        self.engine = FakeEngine()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> FakeServer:
        self._thread.start()
        self.api = DockerApi(self.engine, FakeBuilder())  # type: ignore[arg-type]
        self.server = Server(self.api)
        self.call(self.server.listen_unix(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        self.call(self.server.close(grace=0.2))
        self.call(self.engine.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)
