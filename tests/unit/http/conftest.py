"""A server on a socket of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from corral.http.message import Answer, Request
from corral.http.server import Limits, Server
from tests.unit.http.talk import Serve


@pytest.fixture
async def serve(tmp_path: Path) -> AsyncIterator[Serve]:
    servers: list[Server] = []

    async def start(handler: Callable[[Request], Awaitable[Answer]], **limits: float) -> str:
        server = Server(handler, Limits(**limits))  # type: ignore[arg-type]
        servers.append(server)
        path = str(tmp_path / f"{len(servers)}.sock")
        await server.listen_unix(path)
        return path

    yield start
    for server in servers:
        await server.close(grace=0.1)
