"""The stores that the contract of stores is held against."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from corral.kit.clock import ManualClock
from corral.store.interface import Store
from corral.store.memory import MemoryStore
from corral.store.sqlite import open_sqlite
from tests.support.etcd import EtcdServer
from tests.support.kubernetes import LiveKubernetes, Namespace, numbered
from tests.support.webhooks import Hooks, LiveWebhook, reviewed

LOCAL = ["memory", "sqlite"]
ALL = [*LOCAL, pytest.param("etcd", marks=pytest.mark.peers)]
_roots = (f"/{n}/" for n in itertools.count(1))


@pytest.fixture(scope="session")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EtcdServer]:
    with EtcdServer(tmp_path_factory.mktemp("etcd")) as server:
        yield server


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_700_000_000_000_000_000)


async def _opened(kind: str, request: pytest.FixtureRequest, folder: Path, clock: ManualClock) -> AsyncIterator[Store]:
    if kind == "memory":
        made: Store = MemoryStore(clock)
    elif kind == "sqlite":
        made = open_sqlite(str(folder / "store.db"), history=True, clock=clock)
    else:
        from corral.store.etcd import open_etcd

        remote = await open_etcd([request.getfixturevalue("etcd").endpoint], root=next(_roots), clock=clock)
        yield remote
        remote.close()
        await remote.closed()
        return
    yield made
    made.close()


@pytest_asyncio.fixture(params=ALL)
async def store(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    """Each backend, empty; others may have made commits in it, so that its revisions may begin anywhere."""
    async for made in _opened(request.param, request, tmp_path, clock):
        yield made


@pytest_asyncio.fixture(params=LOCAL)
async def local(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Store]:
    """Each backend that lives in this process."""
    async for made in _opened(request.param, request, tmp_path, clock):
        yield made


_namespaces = numbered()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKubernetes]:
    """An API server that tests share; each has a namespace of its own in it."""
    with LiveKubernetes(tmp_path_factory.mktemp("kubernetes")) as made:
        yield made


@pytest.fixture
def ns(cluster: LiveKubernetes) -> Namespace:
    return Namespace(cluster, next(_namespaces))


@pytest.fixture
def hooks(ns: Namespace, tmp_path: Path) -> Iterator[Hooks]:
    with LiveWebhook(tmp_path, lambda method, path, body: reviewed(body)) as live:
        found = Hooks(ns, live)
        yield found
        found.remove()
