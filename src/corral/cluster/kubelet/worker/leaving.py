"""The end of a pod: in order, with grace, and with nothing left behind."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS
from corral.cluster.kubelet.barrier import Leaving
from corral.cluster.kubelet.lifecycle.ending import grace_of, plan_endings
from corral.cluster.kubelet.lifecycle.view import View, find
from corral.cluster.kubelet.pods import full_name, is_evicted, is_terminal
from corral.kit.timeouts import fair_timeout
from corral.model.kubernetes.status import StatusError

if TYPE_CHECKING:
    from corral.cluster.kubelet.worker.worker import PodWorker

log = logging.getLogger("corral.kubelet")

BARRIER: Final = 1.0  # seconds, at most, that the end of a pod without grace waits for the proxies
SILENCE: Final = 3.0  # seconds that a node may say nothing, if there is grace: its daemon may be starting anew
LONGEST: Final = 10.0  # seconds, at most, for those that say that they still lead to it: a machine may be busy


class Leaver:
    """Belongs to one worker."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self._barred = False
        self._grace: int | None = None
        self._most: int | None = None

    async def stop_all(self, view: View) -> bool:
        """Whether nothing runs any more; else what is to be ended next is."""
        for task in list(self._worker.memory.starting.values()):
            task.cancel()
        if self._worker.memory.starting:
            await asyncio.gather(*self._worker.memory.starting.values(), return_exceptions=True)
            view = await self._worker.look()
        ids = plan_endings(self._worker.pod, view)
        if ids and not self._barred:
            await self._bar()
            self._barred = True  # not before: where it failed, the next try waits anew
        for id in ids:
            self._worker.ender.end(find(view, id), grace=0 if self._grace == 0 else self._limited())
        return not any(attempt.running for some in view.attempts.values() for attempt in some)

    def limit(self, seconds: int) -> None:
        """So much grace at most."""
        self._most = seconds

    def _limited(self) -> int | None:
        return None if self._most is None else min(self._most, grace_of(self._worker.pod))

    async def _bar(self) -> None:
        """New connections are led elsewhere, on all nodes, before the pod is told to end."""
        shared = self._worker.shared
        if not self._worker.memory.ips or self._worker.pod["spec"].get("hostNetwork"):
            return
        deleted = meta.deleting(self._worker.pod) and grace_of(self._worker.pod)
        seconds, silence = (LONGEST, SILENCE) if deleted else (BARRIER, BARRIER)
        some = [Leaving(address, self._worker.uid, shared.node) for address in self._worker.memory.ips]
        try:
            async with fair_timeout(seconds):
                await asyncio.gather(
                    *(way(one, silence) for one in some for way in (shared.barrier, shared.neighbours))
                )
        except TimeoutError:
            log.warning("pod %s: still led to after %g s", full_name(self._worker.pod), seconds)

    async def finish(self, view: View) -> None:
        """It has come to its end, or has failed: nothing runs on, and its space is given back."""
        runs = any(attempt.running for some in view.attempts.values() for attempt in some)
        said = is_terminal(self._worker.pod) and not runs  # the last word is not said twice
        if not await self.stop_all(view):
            await self._worker.reporter.report(await self._worker.look())
            return
        if not said:
            await self._worker.reporter.report(await self._worker.look(), over=True)
        await self._worker.shared.devices.unprepare(self._worker.uid)
        await self._leave_space()
        await self._worker.volumes.tear_down()
        if not said:
            await self._worker.reporter.report(await self._worker.look(), over=True)
        if is_evicted(self._worker.pod):
            await self._worker.sweep()  # else nothing were won
        self._worker.ended.set()

    async def _leave_space(self) -> None:
        await self._worker.launcher.end_pause()
        if self._worker.memory.space:
            await self._worker.shared.engine.spaces.remove(self._worker.memory.space)
            self._worker.memory.space = ""
            self._worker.shared.index.set_space(self._worker.uid, "")

    async def delete(self, view: View) -> float | None:
        """Ends everything, says so, takes everything away, and lets the object go."""
        self._shorten()
        if not await self.stop_all(view):
            if not self._worker.gone:
                await self._worker.reporter.report(await self._worker.look())
            return None
        if not self._worker.gone:
            await self._worker.reporter.report(await self._worker.look(), over=True)
        for id in self._worker.shared.index.containers(self._worker.uid):
            await self._worker.ender.remove(id)
        await self._worker.shared.devices.unprepare(self._worker.uid)
        await self._leave_space()
        await self._worker.volumes.tear_down()
        await self._worker.launcher.close()
        self._worker.shared.sources.release(self._worker.uid)
        self._worker.shared.puller.forget(self._worker.uid)
        if not self._worker.gone:
            await self._let_go()
        return 0.0

    def _shorten(self) -> None:
        """A second deletion may leave less time than the first."""
        grace = self._worker.pod["metadata"].get("deletionGracePeriodSeconds")
        if grace is None or self._grace is None or grace < self._grace:
            if self._grace is not None and grace is not None:
                for task in list(self._worker.memory.ending.values()):
                    task.cancel()
                self._worker.memory.ending.clear()
            self._grace = grace

    async def _let_go(self) -> None:
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._worker.uid}}
        try:
            await self._worker.shared.client.delete(
                PODS, meta.name(self._worker.pod), meta.namespace(self._worker.pod), options=options
            )
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
