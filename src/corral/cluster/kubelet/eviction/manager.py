"""Looks every now and then whether the node runs short, and does something about it.

The disk: what ended pods have left and images that nobody uses go first. Then one pod goes.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from corral.cluster.kubelet.eviction.messages import plan_message
from corral.cluster.kubelet.eviction.pressure import Observed, Pressure, is_met, plan_pressure
from corral.cluster.kubelet.eviction.ranking import plan_ranking
from corral.cluster.kubelet.eviction.reading import observe, read_uses
from corral.cluster.kubelet.eviction.thresholds import SIGNALS, Threshold
from corral.cluster.kubelet.pods import is_terminal
from corral.errors import CorralError

if TYPE_CHECKING:
    from corral.cluster.kubelet.shared import Shared
    from corral.cluster.kubelet.worker.worker import PodWorker

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

HARD_GRACE: Final = 1  # seconds
REASONS: Final = {  # when there is enough, and when there is not
    "MemoryPressure": ("NodeHasSufficientMemory", "NodeHasInsufficientMemory"),
    "DiskPressure": ("NodeHasNoDiskPressure", "NodeHasDiskPressure"),
    "PIDPressure": ("NodeHasSufficientPID", "NodeHasInsufficientPID"),
}
CLEANUP: Final = 30.0  # seconds, at most, that are waited for an evicted pod to end, and for files to be deleted


class EvictionManager:
    """`workers` gives those of the pods that are here now; `changed` is called when the node's conditions are others.

    `conditions`: what the node is short of now.
    """

    def __init__(
        self, shared: Shared, workers: Callable[[], Iterable[PodWorker]], changed: Callable[[], Awaitable[None]]
    ) -> None:
        self._shared, self._workers, self._changed = shared, workers, changed
        self._settings = shared.settings.eviction
        self._node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": shared.node, "uid": shared.node}}
        self._pressure = Pressure()
        self._told: frozenset[str] = frozenset()

    @property
    def conditions(self) -> frozenset[str]:
        return self._pressure.conditions

    async def run(self) -> None:
        """Until it is cancelled. Without thresholds there is nothing to do."""
        if not self._settings.thresholds:
            return
        while True:
            evicted = None
            try:
                evicted = await self.look()
            except CorralError as error:
                log.warning("look for pressure: %s", error.message)
            if evicted is None:
                await asyncio.sleep(self._settings.period)
                continue
            try:
                async with asyncio.timeout(CLEANUP):
                    await evicted.ended.wait()
            except TimeoutError:
                log.warning("evicted pod %s has not ended within %g s", evicted.uid, CLEANUP)
            await self._tidied()  # before the next look: what it wrote counts no more

    async def look(self) -> PodWorker | None:
        """Once: the worker of the pod that was evicted, if one was. HostError."""
        observed = await self._observe()
        now = time.monotonic()
        self._pressure = plan_pressure(
            self._settings.thresholds, observed, self._pressure, now, self._settings.transition
        )
        if self._pressure.conditions != self._told:
            for reason in plan_told(self._told, self._pressure.conditions):
                self._shared.events.normal(self._node, reason, f"Node {self._shared.node} status is now: {reason}")
            self._told = self._pressure.conditions
            await self._changed()
        if not self._pressure.acute:
            return None
        threshold = self._pressure.acute[0]
        resource = SIGNALS[threshold.signal].resource
        self._shared.events.warning(self._node, "EvictionThresholdMet", f"Attempting to reclaim {resource}")
        if SIGNALS[threshold.signal].condition == "DiskPressure" and await self._reclaim(threshold):
            return None
        return await self._evict(threshold, observed)

    async def _observe(self) -> Mapping[str, Observed]:
        root = self._shared.settings.root
        return await asyncio.to_thread(observe, root, f"{self._shared.engine.config.root}/images")

    async def _reclaim(self, threshold: Threshold) -> bool:
        """Whether there is enough again without the containers of pods that are over, and images that nobody uses."""
        swept = 0
        for one in list(self._workers()):
            try:
                swept += await one.sweep() if one.ended.is_set() else 0
            except CorralError as error:  # what cannot be taken away keeps nothing else on the disk
                log.warning("pod %s is over, and a container of it stays: %s", one.uid, error.message)
        gone = await self._shared.collector.empty()
        if not swept and not gone:
            return False
        log.info("%s: %d containers of ended pods and %d unused images are gone", threshold.signal, swept, gone)
        await self._tidied()
        observed = await self._observe()
        return not is_met(threshold, observed[threshold.signal], reclaiming=True)

    async def _tidied(self) -> None:
        """What was removed is deleted. Not for ever: where containers come and go all the time, some always wait."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLEANUP):
                await self._shared.engine.tidied()

    async def _evict(self, threshold: Threshold, observed: Mapping[str, Observed]) -> PodWorker | None:
        resource, shared = SIGNALS[threshold.signal].resource, self._shared
        workers = {one.uid: one for one in self._workers() if _is_active(one)}
        pods = [one.pod for one in workers.values()]
        uses = await read_uses(shared.engine, shared.index, pods, resource, f"{shared.settings.root}/pods")
        for pod in plan_ranking(pods, uses, resource):
            uid = pod["metadata"]["uid"]
            if not _is_active(workers[uid]):
                continue  # it has ended while others were measured
            message = plan_message(pod, threshold, observed[threshold.signal], uses.get(uid))
            grace = HARD_GRACE if threshold.hard else self._settings.most_grace
            log.warning("evict %s/%s: %s", pod["metadata"]["namespace"], pod["metadata"]["name"], message)
            workers[uid].evict(message, grace, disrupted=True)
            return workers[uid]
        log.info("%s is short, and no pod may be evicted", resource)
        return None


def plan_told(before: Collection[str], now: Collection[str]) -> list[str]:
    """Pure: the reasons of the events that tell how the node's conditions have changed.

    >>> plan_told(["MemoryPressure"], ["DiskPressure"])
    ['NodeHasSufficientMemory', 'NodeHasDiskPressure']
    """
    changed = [kind for kind in REASONS if (kind in before) != (kind in now)]
    return [REASONS[kind][kind in now] for kind in changed]


def _is_active(worker: PodWorker) -> bool:
    return not (worker.gone or is_terminal(worker.pod) or worker.memory.failure or worker.memory.space == "")
