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

    async def __call__(self, leaving: Leaving, silence: float) -> None:
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


async def test_a_pod_with_grace_waits_for_who_still_leads_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short its grace is; one without grace does not."""
    monkeypatch.setattr(leaving, "BARRIER", SECONDS)
    done: list[float] = []

    async def late(leaving: Leaving, silence: float) -> None:
        await asyncio.sleep(4 * SECONDS)
        done.append(silence)

    shared = SimpleNamespace(barrier=late, neighbours=no_barrier, node="n1")
    for grace in (0, 1):
        meta: Any = {"name": "web", "namespace": "default", "uid": "u1"}
        meta |= {"deletionTimestamp": "x", "deletionGracePeriodSeconds": grace}
        pod: Any = {"metadata": meta, "spec": {}}
        worker: Any = SimpleNamespace(pod=pod, uid="u1", memory=SimpleNamespace(ips=("10.244.0.2",)), shared=shared)
        await leaving.Leaver(worker)._bar()
        assert done == [leaving.SILENCE] * grace


async def test_a_barrier_that_failed_is_asked_anew_before_anything_is_told_to_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leaving, "plan_endings", lambda pod, view: ["c1"])
    monkeypatch.setattr(leaving, "find", lambda view, id: id)
    done: list[str] = []

    async def fails_once(leaving: Leaving, silence: float) -> None:
        done.append("asked")
        if len(done) == 1:
            raise OSError("no")

    shared = SimpleNamespace(barrier=fails_once, neighbours=no_barrier, node="n1")
    memory = SimpleNamespace(ips=("10.244.0.2",), starting={})
    ender = SimpleNamespace(end=lambda attempt, grace: done.append("ended"))
    pod: Any = {"metadata": {"name": "web", "namespace": "default"}, "spec": {}}
    worker: Any = SimpleNamespace(pod=pod, uid="u1", memory=memory, shared=shared, ender=ender)
    view: Any = SimpleNamespace(attempts={})
    leaver = leaving.Leaver(worker)
    with pytest.raises(OSError, match="no"):
        await leaver.stop_all(view)
    for _ in range(2):
        await leaver.stop_all(view)
    assert done == ["asked", "asked", "ended", "ended"]


async def test_a_neighbour_that_still_leads_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "GONE", SECONDS)

    async def never(leaving: Leaving, silence: float) -> None:
        await asyncio.Event().wait()

    kubelet: Any = SimpleNamespace(shared=SimpleNamespace(barrier=never))
    request: Any = SimpleNamespace(peer_certificate=b"")
    gate: Any = SimpleNamespace(node_of=lambda request: "")  # whoever it is
    answer: Any = await server.KubeletServer(kubelet, gate)._gone(request, ["10.244.0.2", "u1"])
    assert (answer.status, answer.body) == (503, b"new connections are still led to 10.244.0.2\n")


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
