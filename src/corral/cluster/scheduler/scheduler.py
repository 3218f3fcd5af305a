"""Scheduler: takes pods from the queue, one after the other, and gives each a node. The I/O around `cycle.decide`.

::

    scheduler = Scheduler(client, informers, recorder)
    await scheduler.run()       # until it is cancelled; informers must be running
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.builtin import CLAIMS, NODES, PODS, RESOURCE_CLAIMS
from corral.cluster.client.events import Recorder
from corral.cluster.client.informers import Informers
from corral.cluster.client.protocol import STRATEGIC_MERGE_PATCH, Client
from corral.cluster.client.times import Now, to_text, utc_now
from corral.cluster.scheduler.binder import Binder, BindingFailed
from corral.cluster.scheduler.conditions import DEVICES, NOT_NOTED, plan_status, plan_victim, plan_words
from corral.cluster.scheduler.devices.extended import LEFT, is_made
from corral.cluster.scheduler.devices.pools import seen
from corral.cluster.scheduler.moves import ALL_PLUGINS, Helps
from corral.cluster.scheduler.queue import Queue, Waiting
from corral.cluster.scheduler.settings import DEFAULT_NAME, Settings
from corral.errors import CorralError
from corral.kit.tasks import Tasks
from corral.model.kubernetes.requests import pod_requests
from corral.model.kubernetes.status import StatusError

if TYPE_CHECKING:
    from corral.cluster.scheduler.devices.state import ClaimPlan
    from corral.cluster.scheduler.diagnosis import Diagnosis
    from corral.cluster.scheduler.engine import Engine
    from corral.cluster.scheduler.pods.pod import Pod
    from corral.cluster.scheduler.preemption import Candidate
    from corral.cluster.scheduler.storage.plan import VolumePlan

Object = dict[str, Any]
# For each expression and device whether it selects the device, or why there is no answer.
Judge = Callable[[list[tuple[str, Object]]], Awaitable[list[bool | str]]]

log = logging.getLogger("corral.scheduler")

LONGEST_MESSAGE: Final = 1024  # of an event
# What was under way when a binding failed, in upstream's words.
VOLUMES_STEP: Final = 'PreBind plugin "VolumeBinding"'
DEVICES_STEP: Final = 'PreBind plugin "DynamicResources"'
NODE_STEP: Final = 'Bind plugin "DefaultBinder"'


async def nobody_judges(asked: list[tuple[str, Object]]) -> list[bool | str]:
    """For a scheduler without an evaluator of expressions."""
    return ["CEL compile error: this scheduler evaluates no expressions"] * len(asked)


class Plans(NamedTuple):
    """What must be written before a pod is bound."""

    volumes: VolumePlan | None
    claims: ClaimPlan | None


class Scheduler:
    """What decides is loaded with the first pod that needs a node, so a cluster without pods does not carry it."""

    def __init__(
        self,
        client: Client,
        informers: Informers,
        recorder: Recorder,
        settings: Settings | None = None,
        *,
        drawn: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Now = utc_now,
        judge: Judge = nobody_judges,
    ) -> None:
        self.settings = settings or Settings()
        self.queue = Queue(self.settings)
        self._client, self._informers, self._recorder = client, informers, recorder
        self._judge = judge
        self._drawn, self._clock, self._now = drawn or random.Random(), clock, now
        self._names = frozenset(one.name for one in self.settings.profiles)
        self._wake = asyncio.Event()
        self._tasks = Tasks()
        self._binding = asyncio.Semaphore(self.settings.bindings)
        self._binder: Binder | None = None
        self._engine: Engine | None = None
        informers.of(NODES)
        self._pods = informers.of(PODS)
        self._pods.on_change(self._pod_changed)

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                waiting = await self._next()
                engine = self._engine or await self._load()
                await self._binding.acquire()  # not more at once: the API shall not be flooded
                await self._ask_about_devices(engine, waiting)
                self._schedule(engine, waiting)
                await asyncio.sleep(0)
        finally:
            await self.close()

    async def close(self) -> None:
        """Ends what is under way. Pods that were decided upon and not bound are decided upon anew by the next run."""
        await self._tasks.close()

    # ----------------------------------------------------------------------------------------------- the queue

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if old is not None and (new is None or meta.uid(old) != meta.uid(new)):
            self.queue.remove(meta.uid(old))
        if new is None:
            return
        if new["spec"].get("nodeName") or (new.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            self.queue.remove(meta.uid(new))
        elif (new["spec"].get("schedulerName") or DEFAULT_NAME) in self._names:
            self.queue.put(new, self._clock())
            self._wake.set()

    def _cluster_changed(self, change: str, helps: Helps) -> None:
        if self.queue.move(change, self._clock(), helps):
            self._wake.set()

    async def _next(self) -> Waiting:
        while (found := self.queue.pop(self._clock())) is None:
            self._wake.clear()
            due = self.queue.due()
            timer = None
            if due is not None:
                pause = max(due - self._clock(), 0.0)
                timer = asyncio.get_running_loop().call_later(pause, self._wake.set)
            await self._wake.wait()
            if timer is not None:
                timer.cancel()
        return found

    async def _load(self) -> Engine:
        """In a thread: the first import of NumPy takes a moment."""
        made = await asyncio.to_thread(_engine_class)
        engine = self._engine = made(self._informers, self.settings, self._cluster_changed, self._drawn)
        devices = self._informers.of(RESOURCE_CLAIMS)
        self._binder = Binder(self._client, self._informers.of(CLAIMS), devices, self.settings.volume_timeout)
        await engine.synced()
        return engine

    # ------------------------------------------------------------------------------------------------- one pod

    async def _ask_about_devices(self, engine: Engine, waiting: Waiting) -> None:
        """What expressions say of devices is found out before the decision, which takes no time then."""
        if not engine.devices.are_asked_for(waiting.pod, pod_requests(waiting.pod)):
            return
        while questions := engine.devices.questions(waiting.pod):
            looks = [(expression, seen(one.id.driver, one.spec)) for (expression, _), one in questions.items()]
            answers = await self._judge(looks)
            engine.devices.judged |= dict(zip(questions, answers, strict=True))

    def _schedule(self, engine: Engine, waiting: Waiting) -> None:
        """Decides at once; what must be written is left to a task, which gives the semaphore back."""
        if meta.deleting(waiting.pod) or meta.uid(waiting.pod) in engine.snapshot.pods:
            self.queue.remove(meta.uid(waiting.pod))
            self._binding.release()
            return
        try:
            work = self._decided(engine, waiting)
        except CorralError as error:
            work = self._report_error(waiting, error.message)
        except Exception as error:  # one pod that cannot be decided upon must not hold up all others
            log.exception("pod %s cannot be scheduled", meta.key(waiting.pod))
            work = self._report_error(waiting, f"internal error: {error}")
        self._tasks.start(f"schedule-{meta.key(waiting.pod)}", self._finish(work))

    async def _finish(self, work: Any) -> None:
        try:
            await work
        finally:
            self._binding.release()

    def _decided(self, engine: Engine, waiting: Waiting) -> Any:
        pod = engine.read(waiting.pod)
        decision = engine.decide(pod)
        if not decision.node:
            return self._unschedulable(engine, waiting, pod, decision.diagnosis)
        plans = Plans(engine.plan_volumes(pod, decision.node), engine.plan_claims(pod, decision.node))
        engine.assume(pod, decision.node, *plans)
        return self._bind(engine, waiting, pod, decision.node, plans)

    async def _bind(self, engine: Engine, waiting: Waiting, pod: Pod, node: str, plans: Plans) -> None:
        volumes, claims = plans
        assert self._binder is not None
        step = VOLUMES_STEP
        try:
            if volumes is not None:
                self._binding.release()  # this may take minutes; others need not wait for it
                try:
                    await self._binder.bind_volumes(volumes, node, engine.snapshot.storage)
                finally:
                    await self._binding.acquire()
            if claims is not None:
                step = DEVICES_STEP
                await self._binder.bind_claims(claims, pod.obj)
            step = NODE_STEP
            await self._binder.bind(pod.obj, node)
        except (StatusError, BindingFailed, OSError) as error:
            engine.forget(pod, *plans)
            if claims is not None:
                await self._binder.release_claims(claims, pod.obj)
            if not isinstance(error, StatusError) or error.reason != "NotFound":
                await self._report_error(waiting, f"running {step}: {error}")
            return
        except BaseException:
            engine.forget(pod, *plans)
            raise
        engine.settle(*plans)
        tell = self._recorder.named(pod.scheduler)
        tell.normal(pod.obj, "Scheduled", f"Successfully assigned {pod.key} to {node}", action="Binding")

    # ------------------------------------------------------------------------------------------------ and if not

    def _unschedulable(self, engine: Engine, waiting: Waiting, pod: Pod, diagnosis: Diagnosis) -> Any:
        plugins = diagnosis.plugins if diagnosis.nodes else ALL_PLUGINS
        self.queue.failed(waiting, plugins, self._clock())
        if diagnosis.rejected_by not in ("", DEVICES):
            diagnosis.preemption = NOT_NOTED
            return self._report(waiting, "Unschedulable", diagnosis.message(), None)
        tried = engine.preempt(pod, diagnosis) if diagnosis.nodes else None
        useless = engine.devices.useless(pod.obj, diagnosis.reasons)
        wants = engine.devices.are_asked_for(pod.obj, pod.requests)
        rejected, left = bool(diagnosis.rejection), LEFT in diagnosis.reasons
        words = plan_words(wants=wants, rejected=rejected, given_back=useless is not None, left=left)
        words = words if diagnosis.nodes else ""
        diagnosis.preemption = ", ".join(one for one in (words, tried.message if tried is not None else "") if one)
        if useless is not None:
            return self._deallocate(waiting, useless, diagnosis.message())
        if tried is None:
            return self._report(waiting, "Unschedulable", diagnosis.message(), None)
        if tried.chosen is None:
            if tried.clears:
                engine.nominated.pop(pod.uid, None)
            return self._report(waiting, "Unschedulable", diagnosis.message(), "" if tried.clears else None)
        beaten = engine.nominate(pod, tried.chosen.node)
        return self._preempt(waiting, pod, tried.chosen, beaten, diagnosis.message())

    async def _deallocate(self, waiting: Waiting, claim: Object, message: str) -> None:
        """The pod's claim has devices where the pod cannot go, and nobody uses them: it is to get others. One that was
        made for the pod goes, and another is made."""
        assert self._binder is not None
        await self._report(waiting, "Unschedulable", message, None)
        try:
            await (self._binder.discard(claim) if is_made(claim) else self._binder.deallocate(claim))
        except (StatusError, OSError) as error:
            log.warning("resourceclaim %s is not given back: %s", meta.key(claim), error)

    async def _preempt(self, waiting: Waiting, pod: Pod, chosen: Candidate, beaten: list[Pod], message: str) -> None:
        """The pod gets the node's name first, so that a restarted scheduler knows for whom room is being made."""
        await self._report(waiting, "Unschedulable", message, chosen.node)
        for one in beaten:
            await self._patch_status(one.obj, {"status": {"nominatedNodeName": None}})
        for victim in chosen.victims:
            if victim.deleting:
                continue
            await self._patch_status(victim.obj, plan_victim(pod.scheduler, to_text(self._now())))
            try:
                await self._client.delete(
                    PODS, victim.name, victim.namespace, options={"preconditions": {"uid": victim.uid}}
                )
            except (StatusError, OSError) as error:
                log.warning("pod %s was to make room for %s: %s", victim.key, pod.key, error)
                continue
            text = f"Preempted by pod {pod.uid} on node {chosen.node}"
            tell = self._recorder.named(pod.scheduler)
            tell.normal(victim.obj, "Preempted", text, action="Preempting", related=pod.obj)

    async def _report_error(self, waiting: Waiting, message: str) -> None:
        self.queue.failed(waiting, (), self._clock())
        self._wake.set()
        await self._report(waiting, "SchedulerError", message, None)

    async def _report(self, waiting: Waiting, reason: str, message: str, nominated: str | None) -> None:
        """The event, and the condition where it has changed. `nominated`: see `plan_status`."""
        pod = self._pods.get(meta.key(waiting.pod))
        if pod is None or meta.uid(pod) != meta.uid(waiting.pod):
            return
        tell = self._recorder.named(waiting.pod["spec"].get("schedulerName") or DEFAULT_NAME)
        tell.warning(pod, "FailedScheduling", message[:LONGEST_MESSAGE], action="Scheduling")
        patch = plan_status(pod, reason, message, nominated, to_text(self._now()))
        if patch is None:
            return
        await self._patch_status(pod, patch)

    async def _patch_status(self, pod: Object, patch: Object) -> None:
        name, namespace = meta.name(pod), meta.namespace(pod)
        try:
            await self._client.patch(
                PODS, name, namespace, patch=patch, type=STRATEGIC_MERGE_PATCH, subresource="status"
            )
        except (StatusError, OSError) as error:
            if not isinstance(error, StatusError) or error.reason != "NotFound":
                log.warning("status of pod %s not written: %s", meta.key(pod), error)


def _engine_class() -> type[Engine]:
    from corral.cluster.scheduler.engine import Engine

    return Engine
