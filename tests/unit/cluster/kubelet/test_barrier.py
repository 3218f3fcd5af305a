"""What the end of a pod waits for, where the daemon stands still meanwhile."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from corral.cluster.kubelet.barrier import Leaving, no_barrier
from corral.cluster.kubelet.server import server
from corral.cluster.kubelet.worker import leaving

SECONDS = 0.05


class HeldUp:
    """A barrier that is open when the daemon goes on, which is after all time that is given to it."""

    def __init__(self) -> None:
        self.asked: list[Leaving] = []
        self.done = False

    async def __call__(self, leaving: Leaving) -> None:
        self.asked.append(leaving)
        opened = asyncio.Event()
        asyncio.get_running_loop().call_soon(self._hold_up, opened)
        await opened.wait()
        self.done = True

    @staticmethod
    def _hold_up(opened: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        late = loop.time() + 4 * SECONDS
        while loop.time() < late:
            pass
        loop.call_soon(opened.set)  # as what comes from a socket


async def test_a_pod_is_not_told_to_end_before_its_rules_had_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "BARRIER", SECONDS)
    barrier = HeldUp()
    shared = SimpleNamespace(barrier=barrier, neighbours=no_barrier, node="n1")
    pod: Any = {"metadata": {"name": "web", "namespace": "default"}, "spec": {}}
    worker: Any = SimpleNamespace(pod=pod, uid="u1", memory=SimpleNamespace(ips=("10.244.0.2",)), shared=shared)
    await leaving.Leaver(worker)._bar()
    assert barrier.done and barrier.asked == [Leaving("10.244.0.2", "u1", "n1")]


async def test_a_neighbour_is_not_told_that_all_is_well_before_the_rules_had_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server, "GONE", SECONDS)
    barrier = HeldUp()
    kubelet: Any = SimpleNamespace(shared=SimpleNamespace(barrier=barrier))
    request: Any = SimpleNamespace(peer_certificate=b"")
    gate: Any = SimpleNamespace(node_of=lambda request: "")  # whoever it is
    answer: Any = await server.KubeletServer(kubelet, gate)._gone(request, ["10.244.0.2", "u1"])
    assert (answer.status, barrier.done) == (200, True)
