"""Ending one container of a pod: its hook, its signal, its grace; and taking away what is left of it."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from corral.cluster.kubelet.lifecycle.ending import LEAST, grace_of
from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.pods import full_name, member
from corral.cluster.kubelet.probes.asking import ask_hook
from corral.cluster.kubelet.shared import Shared
from corral.errors import CorralError, NotFound, Unchanged
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.kubelet.worker.worker import PodWorker

log = logging.getLogger("corral.kubelet")

Object = dict[str, Any]

RETRY: Final = 0.5  # seconds, when a container could not be ended
KEPT: Final = 2  # attempts of a container that are kept, the present one among them


async def end(shared: Shared, pod: Object, attempt: Attempt, ip: str, message: str, grace: int) -> None:
    """Returns when it has ended. `grace` in seconds, of which its preStop hook takes its part; 0: at once."""
    one = member(pod, attempt.container)
    path = one.field_path if one else f"spec.containers{{{attempt.container}}}"
    shared.events.normal(pod, "Killing", message or f"Stopping container {attempt.container}", field_path=path)
    begun = time.monotonic()
    hook = ((one.spec.get("lifecycle") or {}) if one else {}).get("preStop")
    if hook and one and grace > 0:
        answer = await ask_hook(shared.engine, attempt.id, one.spec, ip, hook, float(grace))
        if not answer.good:
            shared.events.warning(pod, "FailedPreStopHook", "PreStopHook failed", field_path=path)
    left = max(LEAST, grace - int(time.monotonic() - begun)) if grace > 0 else 0
    with suppress(Unchanged, NotFound):  # it has ended by itself meanwhile
        await shared.engine.containers.stop(attempt.id, left)


class Ender:
    """Belongs to one worker. Ends run beside it, and wake it."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self._tasks = Tasks()

    def end(self, attempt: Attempt, message: str = "", grace: int | None = None) -> None:
        """Begins to end a container; once."""
        worker = self._worker
        if attempt.id in worker.memory.ending:
            return
        ip = worker.memory.ips[0] if worker.memory.ips else ""
        work = self._end(attempt, ip, message, grace_of(worker.pod, grace))
        task = self._tasks.start(f"end {attempt.container} of {full_name(worker.pod)}", work)
        worker.memory.ending[attempt.id] = task
        task.add_done_callback(lambda _: self._ended(attempt.id))

    async def _end(self, attempt: Attempt, ip: str, message: str, seconds: int) -> None:
        shared, pod = self._worker.shared, self._worker.pod
        try:
            await end(shared, pod, attempt, ip, message, seconds)
        except CorralError as error:
            log.error("pod %s: end %s: %s", full_name(pod), attempt.container, error.message)
            shared.events.warning(pod, "FailedKillPod", f"error killing pod: {error.message}")
            await asyncio.sleep(RETRY)  # it is tried again

    def _ended(self, id: str) -> None:
        self._worker.memory.ending.pop(id, None)
        self._worker.wake()

    async def prune(self, view: View) -> None:
        """Attempts that nobody asks for any more."""
        for attempts in view.attempts.values():
            for attempt in attempts[:-KEPT]:
                if attempt.ended:
                    await self.remove(attempt.id)

    async def remove(self, id: str) -> None:
        worker = self._worker
        try:
            await worker.shared.engine.containers.remove(id, force=True, volumes=True)
        except NotFound:
            log.debug("container %s was gone already", id)
        worker.shared.index.discard(worker.uid, id)
        worker.memory.forget(id)

    async def close(self) -> None:
        await self._tasks.close()
