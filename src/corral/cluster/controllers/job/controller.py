"""The controller of Jobs: makes and deletes pods, counts those that ended, and says how it went.

Follows upstream's pkg/controller/job. Each pod is counted exactly once (see tracking.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from corral.cluster.client import meta
from corral.cluster.client.builtin import JOBS, PODS
from corral.cluster.client.protocol import STRATEGIC_MERGE_PATCH, Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.common import conditions
from corral.cluster.controllers.common.claiming import Claimer, index_owners, owned
from corral.cluster.controllers.common.podcontrol import Outcome, PodControl, first_status, namespace_is_going
from corral.cluster.controllers.common.pods import is_terminating
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.job.backoff import Record, advanced
from corral.cluster.controllers.job.deciding import (
    COMPLETE,
    MET,
    condition,
    deadline_left,
    end_of,
    is_complete,
    plan_pods,
)
from corral.cluster.controllers.job.pods import new_pod
from corral.cluster.controllers.job.situation import FINALIZER, Situation, is_finished, is_ours, tracked
from corral.cluster.controllers.job.tracking import plan_finish, plan_tracking, settled
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.selectors import of_object
from corral.model.kubernetes.status import StatusError

_STRAY = "stray pod:"  # keys of pods that carry the finalizer and belong to no Job that runs
REACHED = ("CompletionsReached", "Reached expected number of succeeded pods")


class JobController(Controller):
    name = "job-controller"

    def __init__(self, shared: Shared) -> None:
        self._shared, self._client = shared, shared.client
        self._jobs, self._pods = shared.informers.of(JOBS), shared.informers.of(PODS)
        super().__init__([self._jobs, self._pods])
        index_owners(self._pods)
        self._claimer = Claimer(shared.client, JOBS, "Job", FINALIZER)
        self._recorder = shared.events.recorder(self.name)
        self._control = PodControl(shared.client, self._pods, self._recorder)
        self._records: dict[str, Record] = {}  # by the Job's uid
        self._jobs.on_change(self._job_changed)
        self._pods.on_change(self._pod_changed)

    # ------------------------------------------------------------------------------------------------- what concerns

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))
        gone = new if new is not None and is_finished(new) else old if new is None else None
        if gone is not None:
            self._records.pop(meta.uid(gone), None)
            self._add_strays(owned(self._pods, gone))

    def _add_strays(self, pods: Iterable[Object]) -> None:
        for pod in pods:
            if tracked(pod):
                self.queue.add(_STRAY + meta.key(pod))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            owner = None if pod is None else meta.controller_of(pod)
            if pod is not None and owner is not None and owner.get("kind") == "Job":
                self.queue.add(f"{meta.namespace(pod)}/{owner['name']}")
        if new is None:
            return
        if tracked(new):
            self._add_strays([new])
        if meta.controller_of(new) is None and not meta.deleting(new):
            labels = new["metadata"].get("labels") or {}
            for one in self._jobs.all():
                same = meta.namespace(one) == meta.namespace(new)
                if same and of_object(one["spec"].get("selector")).matches(labels):
                    self.queue.add(meta.key(one))

    # ------------------------------------------------------------------------------------------------- reconciling

    async def reconcile(self, key: str) -> float | None:
        if key.startswith(_STRAY):
            await self._free_stray(key.removeprefix(_STRAY))
            return None
        job = self._jobs.get(key)
        if job is None or not is_ours(job) or is_finished(job):
            return None
        await self._claimer.claim(job, of_object(job["spec"].get("selector")), self._pods)
        at = Situation(job, owned(self._pods, job), self._shared.now())
        record = advanced(self._records.get(meta.uid(job), Record()), at.new_succeeded, at.new_failed, at.now)
        status = _begun(at)
        end = end_of(at)
        again: float | None = None
        if end is not None:
            outcome = await self._control.delete_all(job, at.active)
            if outcome.done < len(at.active):
                end = None
            active = len(at.active) - outcome.done
        else:
            outcome, active, again = await self._manage(at, record)
            if is_complete(at, active):
                end = condition(MET, *REACHED, at)
            elif not meta.deleting(job):
                status = self._with_suspension(at, status)
        await self._count(at, _with_counts(status, at, owned(self._pods, job)), end, record)
        if outcome.error is not None and not namespace_is_going(outcome.error):
            raise outcome.error
        left = deadline_left(at) if end is None else None
        return min((wait for wait in (again, left) if wait is not None), default=None)

    async def _manage(self, at: Situation, record: Record) -> tuple[Outcome, int, float | None]:
        """What was done, how many pods are active then, and when to look again."""
        if meta.deleting(at.job):
            return Outcome(0), len(at.active), None
        plan = plan_pods(at, record)
        if plan.delete:
            outcome = await self._drop(at, plan.delete)
            return outcome, len(at.active) - outcome.done, plan.again
        reference = self._claimer.reference(at.job)
        outcome = await self._control.create_all(at.job, [new_pod(at, index, reference) for index in plan.create])
        return outcome, len(at.active) + outcome.done, plan.again

    async def _drop(self, at: Situation, pods: list[Object]) -> Outcome:
        """Deletes pods that are too many: they lose the finalizer first, so they never count as failed."""
        try:
            await self._release(pods)
        except StatusError as error:
            return Outcome(0, error)
        return await self._control.delete_all(at.job, pods)

    def _with_suspension(self, at: Situation, status: Object) -> Object:
        """The status that says whether the Job is suspended, if that has changed."""
        known = conditions.find(status.get("conditions"), "Suspended")
        if known is None and not at.suspended:
            return status
        reason, message = ("JobSuspended", "Job suspended") if at.suspended else ("JobResumed", "Job resumed")
        if known is not None and known.get("reason") == reason:
            return status
        told = condition("Suspended", reason, message, at) | {"status": str(at.suspended)}
        self._recorder.normal(at.job, message.removeprefix("Job ").capitalize(), message)
        status = {**status, "conditions": [*conditions.without(status.get("conditions"), "Suspended"), told]}
        if not at.suspended:  # the deadline counts from here
            status["startTime"] = to_text(at.now)
        return status

    # ------------------------------------------------------------------------------------------------- counting

    async def _count(self, at: Situation, status: Object, end: Object | None, record: Record) -> None:
        plan = plan_tracking(at, status, end)
        job = await self._tell(at.job, plan.status)
        self._records[meta.uid(job)] = record
        await self._release(plan.release)
        pods = owned(self._pods, at.job)
        counted = settled(plan.status, {meta.uid(pod) for pod in pods if tracked(pod)})
        final = plan_finish(at, counted, end, sum(map(is_terminating, pods))) if plan.all else None
        await self._tell(job, final or counted)
        if final is not None and end is not None:
            self._tell_end(at, final)

    def _tell_end(self, at: Situation, status: Object) -> None:
        done = conditions.find(status["conditions"], COMPLETE)
        if done is None:
            failed = conditions.find(status["conditions"], "Failed") or {}
            self._recorder.warning(at.job, failed.get("reason") or "Failed", failed.get("message") or "")
            return
        if at.completions is not None and int(status.get("succeeded") or 0) > at.completions:
            text = "Too many succeeded pods running after completion count reached"
            self._recorder.warning(at.job, "TooManySucceededPods", text)
        self._recorder.normal(at.job, "Completed", "Job completed")

    async def _tell(self, job: Object, status: Object) -> Object:
        if status == job.get("status"):
            return job
        written = await self._client.update(JOBS, {**job, "status": status}, subresource="status")
        await self._jobs.seen(written)
        return written

    async def _release(self, pods: Iterable[Object]) -> None:
        """Takes the finalizer off. Raises StatusError."""
        tasks = (self._release_one(pod) for pod in pods if tracked(pod))
        failed = [one for one in await asyncio.gather(*tasks, return_exceptions=True) if one is not None]
        if failed:
            raise first_status(failed)

    async def _release_one(self, pod: Object) -> None:
        patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": [FINALIZER], "uid": meta.uid(pod)}}
        try:
            freed = await self._client.patch(
                PODS, meta.name(pod), meta.namespace(pod), patch=patch, type=STRATEGIC_MERGE_PATCH
            )
        except StatusError as error:
            there = self._pods.get(meta.key(pod))
            gone = there is None or meta.uid(there) != meta.uid(pod)
            if error.reason == "NotFound" or (gone and error.reason in ("Conflict", "Invalid")):
                return
            raise
        await self._pods.seen(freed)

    async def _free_stray(self, key: str) -> None:
        """A pod that nobody will count must not be kept."""
        pod = self._pods.get(key)
        if pod is None or not tracked(pod):
            return
        owner = meta.controller_of(pod)
        if owner is not None:
            if owner.get("kind") != "Job":
                return
            job = self._jobs.get(f"{meta.namespace(pod)}/{owner['name']}")
            known = job is not None and meta.uid(job) == owner.get("uid")
            if job is not None and known and (not is_ours(job) or not is_finished(job)):
                return
        await self._release([pod])


def _begun(at: Situation) -> Object:
    """The status so far, with when the Job started."""
    status = dict(at.status)
    if not status.get("startTime") and not at.suspended:
        status["startTime"] = to_text(at.now)
    return status


def _with_counts(status: Object, at: Situation, pods: list[Object]) -> Object:
    """The status, with how many pods there are now."""
    now = Situation(at.job, pods, at.now)
    found = {**status, "active": len(now.active), "ready": now.ready, "terminating": len(now.terminating)}
    return {key: value for key, value in found.items() if key != "active" or value}
