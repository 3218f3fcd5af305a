"""The worker of one pod: wakes when something happens to it, and brings it nearer to what it is to be."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.kubelet.devices.manager import NotPrepared
from corral.cluster.kubelet.errors import NotMounted
from corral.cluster.kubelet.eviction.limits import is_limited
from corral.cluster.kubelet.lifecycle.steps import Steps, plan_steps
from corral.cluster.kubelet.lifecycle.view import View, Waiting, find
from corral.cluster.kubelet.pods import full_name, is_terminal, members
from corral.cluster.kubelet.resizing.resizer import Resizer
from corral.cluster.kubelet.shared import Shared
from corral.cluster.kubelet.times import SECOND, duration, parse
from corral.cluster.kubelet.volumes.manager import PodVolumes
from corral.cluster.kubelet.worker.admitting import Admitter
from corral.cluster.kubelet.worker.disk import find_excess
from corral.cluster.kubelet.worker.ending import Ender
from corral.cluster.kubelet.worker.launching import Launcher
from corral.cluster.kubelet.worker.leaving import Leaver
from corral.cluster.kubelet.worker.memory import Memory
from corral.cluster.kubelet.worker.messages import termination_message
from corral.cluster.kubelet.worker.reporting import Reporter
from corral.cluster.kubelet.worker.runtime import find_runtime
from corral.cluster.kubelet.worker.space import addresses, plan_space, write_files
from corral.errors import CorralError
from corral.kit.backoff import exponential
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

FIRST_RETRY: Final = 500  # milliseconds
LONGEST_RETRY: Final = 60_000
PERIOD: Final = 10.0  # seconds between two looks at what a limited pod has on the disk: nothing tells of that
HARD_GRACE: Final = 1  # seconds that a pod has which uses too much


class PodWorker:
    """`pod` is the latest object. `gone`: the API has it no more. `done` is called when nothing of it is left here."""

    def __init__(self, shared: Shared, pod: Object, done: Callable[[], None], *, gone: bool = False) -> None:
        self.shared, self.pod, self.gone = shared, pod, gone
        self.uid: str = pod["metadata"]["uid"]
        self.memory = Memory()
        self.ended = asyncio.Event()  # nothing of it runs, and nothing will
        self._done = done
        self._woken = asyncio.Event()
        self._failures = 0
        self._next_look = 0.0
        self._stale = True  # whether what comes from the API is to be looked at again
        settings = shared.settings
        self.volumes = PodVolumes(
            self.uid, shared.client, shared.engine, shared.sources, shared.issue, settings, shared.allocatable
        )
        self.launcher, self.leaver, self.resizer = Launcher(self), Leaver(self), Resizer(self)
        self.ender, self.reporter, self.admitter = Ender(self), Reporter(self), Admitter(self)

    # ------------------------------------------------------------------------------------------------- being told

    def wake(self) -> None:
        self._woken.set()

    def update(self, pod: Object) -> None:
        """A newer version of the object."""
        if meta.version(pod) >= meta.version(self.pod):
            self._stale |= _shown(pod) != _shown(self.pod)
            self.pod = pod
        self.wake()

    def remove(self) -> None:
        """The object is gone, and the pod with it."""
        self.gone = True
        self.wake()

    def sources_changed(self) -> None:
        self._stale = True
        self.wake()

    # ------------------------------------------------------------------------------------------------- the loop

    async def run(self) -> None:
        self._find()
        while True:
            self._woken.clear()
            try:
                again = await self._sync()
                self._failures = 0
            except (CorralError, StatusError, OSError) as error:
                again = self._failed(error)
            except Exception as error:
                log.exception("pod %s", full_name(self.pod))
                again = self._failed(error)
            if again == 0.0:
                self.ended.set()
                self._done()
                return
            try:
                async with asyncio.timeout(again):
                    await self._woken.wait()
            except TimeoutError:
                continue

    def _find(self) -> None:
        """What an earlier daemon left of it."""
        self.memory.space = self.shared.index.space(self.uid)
        if self.memory.space:
            space = self.shared.engine.spaces.get(self.memory.space)
            self.memory.ips = addresses(space, self.shared)
        self.launcher.adopt(self.shared.index.attempts(self.uid))

    def _failed(self, error: Exception) -> float:
        if isinstance(error, NotMounted):
            self.shared.events.warning(self.pod, "FailedMount", error.message)
        log.warning("pod %s: %s", full_name(self.pod), error)
        self._failures += 1
        return exponential(self._failures - 1, FIRST_RETRY, LONGEST_RETRY) / 1000

    async def _sync(self) -> float | None:
        """Seconds until it is to be looked at again, None: when it is woken; 0: there is nothing left of it."""
        if self.shared.engine.closing:
            return None  # what ends now is to come back with the next daemon
        view = await self.look()
        if self.gone or "deletionTimestamp" in self.pod["metadata"]:
            return await self.leaver.delete(view)
        if self.memory.failure is None and not is_terminal(self.pod):
            await self.admitter.admit(view)
        left = self._deadline(view)
        await self._check_usage()
        if is_terminal(self.pod) or self.memory.failure is not None:
            await self.leaver.finish(view)
            return None
        self.resizer.allot()
        steps = plan_steps(self.resizer.pod(), view)
        if steps.over:
            await self.leaver.finish(view)
            return None
        again = await self._go_on(view, steps)
        return min((one for one in (left, again) if one is not None), default=None)

    async def look(self) -> View:
        """How it stands. Whatever has ended is asked for its last words, once."""
        attempts = self.shared.index.attempts(self.uid)
        for some in attempts.values():
            for attempt in some:
                if attempt.ended and attempt.id not in self.memory.messages:
                    self.memory.messages[attempt.id] = await termination_message(self.shared, attempt.id)
                    await self.launcher.forget_probes(attempt.id)
        return self.memory.view(attempts)

    def has_place(self) -> bool:
        """Whether what it asks of the node is taken."""
        if self.gone or is_terminal(self.pod):
            return False
        return bool(self.shared.index.space(self.uid)) or (self.admitter.admitted and self.memory.failure is None)

    def _deadline(self, view: View) -> float | None:
        """Seconds that the pod has left, None where it has no deadline."""
        limit, begun = self.pod["spec"].get("activeDeadlineSeconds"), (self.pod.get("status") or {}).get("startTime")
        if limit is None or not begun or is_terminal(self.pod):
            return None
        left = (parse(begun) + int(limit) * SECOND - view.now) / SECOND
        if left <= 0 and self.memory.failure is None:
            message = "Pod was active on the node longer than the specified deadline"
            self.memory.failure = Waiting("DeadlineExceeded", message)
            self.shared.events.normal(self.pod, "DeadlineExceeded", message)
        return max(left, 0.01)

    async def _check_usage(self) -> None:
        """Every now and then: does it use more of the disk than it may?"""
        if self.memory.failure is not None or not is_limited(self.pod) or time.monotonic() < self._next_look:
            return
        if not self.memory.space:
            return
        self._next_look = time.monotonic() + PERIOD
        message = await find_excess(self.shared, self.pod, self.volumes)
        if message:
            self.evict(message, HARD_GRACE)

    def evict(self, message: str, grace: int | None, *, disrupted: bool = False, reason: str = "Evicted") -> None:
        """It ends, with so many seconds of grace at most, None for its own. `disrupted`: for no fault of its own."""
        if self.memory.failure is not None:
            return
        self.memory.failure, self.memory.disrupted = Waiting(reason, message), disrupted
        if grace is not None:
            self.leaver.limit(grace)
        self.shared.events.warning(self.pod, reason, message)
        self.wake()

    async def sweep(self) -> int:
        """Takes away the containers of a pod that is over, with what they wrote and their logs: how many. The pod's
        status keeps what they came to."""
        ids = self.shared.index.containers(self.uid) if is_terminal(self.pod) else []
        for id in ids:
            await self.ender.remove(id)
        return len(ids)

    # ------------------------------------------------------------------------------------------------- running

    async def _go_on(self, view: View, steps: Steps) -> float | None:
        if not self.memory.space:
            await self.reporter.report(view)
            await self.volumes.set_up(self.pod)
            await self._prepare_devices()
            await self._make_space()
            view = await self.look()
            steps = plan_steps(self.resizer.pod(), view)
        await self._refresh(view)
        for id, message in steps.kill.items():
            attempt = find(view, id)
            if id not in view.unhealthy:
                self.memory.backoffs.pop(attempt.container, None)  # another container, which has not failed yet
            self.ender.end(attempt, message, self._probe_grace(view, id))
        for name, seconds in steps.waits.items():
            self._put_off(name, seconds)
        if steps.start:
            await self.volumes.set_up(self.pod)  # raises: then nothing is started
            for one, number in steps.start:
                self.launcher.launch(one, number, view.last(one.name))
        await self.resizer.apply(view)
        await self.ender.prune(view)
        await self.reporter.report(self.memory.view(self.shared.index.attempts(self.uid)))
        due = self.volumes.due()
        tokens = None if due is None else max(1.0, due - time.time())
        look = PERIOD if is_limited(self.pod) or self.resizer.pending or self.resizer.error else None
        return min((one for one in (steps.again, tokens, look) if one is not None), default=None)

    async def _prepare_devices(self) -> None:
        try:
            await self.shared.devices.prepare(self.pod)
        except NotPrepared as error:
            text = f"Failed to prepare dynamic resources: {error.message}"
            self.shared.events.warning(self.pod, "FailedPrepareDynamicResources", text)
            raise

    async def _make_space(self) -> None:
        shared = self.shared
        try:
            self.memory.runtime = await find_runtime(shared, self.pod)
            space = await shared.engine.spaces.create(plan_space(self.resizer.pod(), shared))
        except CorralError as error:
            message = f"Failed to create pod sandbox: {error.message}"
            shared.events.warning(self.pod, "FailedCreatePodSandBox", message)
            raise
        shared.index.set_space(self.uid, space.id)
        self.memory.space, self.memory.ips = space.id, addresses(space, shared)
        self.memory.failed.clear()

    def files(self) -> dict[str, str]:
        return write_files(self.pod, self.memory.ips, f"{self.volumes.run}/etc", self.shared)

    async def _refresh(self, view: View) -> None:
        """What running containers see of the API is kept up; where that fails they go on with what they have."""
        due = self.volumes.due()
        runs = any(attempt.running for some in view.attempts.values() for attempt in some)
        if not runs or not (self._stale or (due is not None and due <= time.time())):
            return
        self._stale = False
        try:
            await self.volumes.set_up(self.pod)  # of an earlier daemon's pods nothing is known yet
            for one in members(self.pod):
                if any(attempt.running for attempt in view.attempts.get(one.name, ())):
                    await self.volumes.set_up_images(self.pod, one.spec)
            await self.volumes.refresh(self.pod)
        except (NotMounted, StatusError) as error:
            self.shared.events.warning(self.pod, "FailedMount", error.message)

    def _put_off(self, name: str, seconds: float) -> None:
        delay = self.memory.backoffs[name].delay
        pod = full_name(self.pod)
        message = f"back-off {duration(delay)} restarting failed container={name} pod={pod}"
        if self.memory.waiting.get(name) != (known := Waiting("CrashLoopBackOff", message)):
            self.memory.waiting[name] = known
            told = f"Back-off restarting failed container {name} in pod {pod}"
            self.launcher.tell(name, "Warning", "BackOff", told)

    def _probe_grace(self, view: View, id: str) -> int | None:
        """A probe may give its container another grace than the pod's."""
        kind = view.unhealthy.get(id)
        if kind is None:
            return None
        probe = self.launcher.probe(find(view, id).container, kind)
        given = probe.get("terminationGracePeriodSeconds")
        return None if given is None else int(given)

    async def close(self) -> None:
        """The daemon ends; the containers go on."""
        await self.launcher.close()
        await self.ender.close()
        await self.volumes.close()


def _shown(pod: Object) -> tuple[Any, ...]:
    """What of a pod that runs may change and stand in a volume of its own."""
    resources = [one.get("resources") for one in pod["spec"]["containers"]]
    return pod["metadata"].get("labels"), pod["metadata"].get("annotations"), resources
