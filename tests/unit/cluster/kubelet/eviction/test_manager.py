from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from corral.cluster.kubelet.eviction import manager
from corral.cluster.kubelet.eviction.manager import EvictionManager
from corral.cluster.kubelet.eviction.pressure import Observed
from corral.cluster.kubelet.eviction.thresholds import plan_thresholds
from corral.errors import HostError


class Worker:
    """Of a pod that is over, with one container."""

    uid = "u"

    def __init__(self, error: HostError | None = None) -> None:
        self.error, self.swept, self.ended = error, False, asyncio.Event()
        self.ended.set()

    async def sweep(self) -> int:
        if self.error is not None:
            raise self.error
        self.swept = True
        return 1


async def test_a_container_that_cannot_be_taken_away_and_files_that_always_wait_keep_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing() -> int:
        return 0

    async def observe() -> dict[str, Observed]:
        return {"nodefs.available": Observed(50, 100)}

    engine = SimpleNamespace(tidied=asyncio.Event().wait)
    collector = SimpleNamespace(empty=nothing)
    settings = SimpleNamespace(eviction=None)
    shared: Any = SimpleNamespace(engine=engine, collector=collector, settings=settings, node="n")
    stuck, other = Worker(HostError("busy")), Worker()
    workers: list[Any] = [stuck, other]
    found = EvictionManager(shared, lambda: workers, lambda: asyncio.sleep(0))
    monkeypatch.setattr(manager, "CLEANUP", 0.01)
    monkeypatch.setattr(found, "_observe", observe)
    assert await found._reclaim(plan_thresholds("nodefs.available<10%", "", "", "")[0])
    assert other.swept
