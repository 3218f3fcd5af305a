"""The real API server in a test's own event loop, with a store in memory: `async with api_server(folder) as server`."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from corral.cluster.apiserver.app import Kubernetes, Options
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.certificates import pki
from corral.cluster.client.protocol import Client
from corral.store.interface import Store
from corral.store.memory import MemoryStore


@asynccontextmanager
async def api_server(folder: Path, given: Store | None = None) -> AsyncIterator[Kubernetes]:
    """`given`: a store that others have, too; it stays open."""
    made = pki.ensure(folder / "pki", pki.server_names("10.96.0.1"), int(time.time()))
    store = given if given is not None else MemoryStore()
    # Nobody makes accounts here, and nobody takes finalizers or taints away; priorities are given as numbers.
    disabled = frozenset(("Priority", "ServiceAccount", "StorageObjectInUseProtection", "TaintNodesByCondition"))
    api = await Kubernetes.open(store, made, Options(disabled=disabled))
    await api.boot()
    try:
        yield api
    finally:
        await api.close()
        if given is None:
            store.close()


def admin(api: Kubernetes, manager: str = "test") -> Client:
    """A client that may do everything."""
    return api.client(User("admin", groups=(MASTERS_GROUP,)), manager)
