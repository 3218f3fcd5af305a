"""The Docker API's server over a stand-in for the engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from corral.api.docker.app import DockerApi
from corral.http.server import Server
from tests.contract.docker.wire import Api
from tests.support.fake_builder import FakeBuilder
from tests.support.fake_engine import FakeEngine


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    engine = FakeEngine()
    server = Server(DockerApi(engine, FakeBuilder()))  # type: ignore[arg-type]
    path = str(tmp_path / "d.sock")
    await server.listen_unix(path)
    yield Api(engine, path)
    await engine.close()
    await server.close(grace=0.1)
