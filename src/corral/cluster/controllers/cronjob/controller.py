"""The controller of CronJobs: starts Jobs in time, keeps account of them, and clears away old ones."""

from __future__ import annotations

from datetime import datetime

from corral.cluster.client import meta
from corral.cluster.client.builtin import CRON_JOBS, JOBS
from corral.cluster.client.events import reference as object_reference
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.common.claiming import index_owners, owned
from corral.cluster.controllers.common.podcontrol import namespace_is_going
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.cronjob.planning import Plan, new_job, plan_cleanup, plan_start, plan_status
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError


class CronJobController(Controller):
    name = "cronjob-controller"

    def __init__(self, shared: Shared) -> None:
        self._shared, self._client = shared, shared.client
        self._cron_jobs, self._jobs = shared.informers.of(CRON_JOBS), shared.informers.of(JOBS)
        super().__init__([self._cron_jobs, self._jobs])
        index_owners(self._jobs)
        self._recorder = shared.events.recorder(self.name)
        self._cron_jobs.on_change(self._cron_job_changed)
        self._jobs.on_change(self._job_changed)

    def _cron_job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        for job in (old, new):
            owner = None if job is None else meta.controller_of(job)
            if job is not None and owner is not None and owner.get("kind") == "CronJob":
                self.queue.add(f"{meta.namespace(job)}/{owner['name']}")

    async def reconcile(self, key: str) -> float | None:
        cron_job = self._cron_jobs.get(key)
        if cron_job is None:
            return None
        jobs, now = owned(self._jobs, cron_job), self._shared.now()
        plan = plan_status(cron_job, jobs)
        plan_start(cron_job, jobs, plan, now)
        for event in plan.events:
            self._recorder.record(cron_job, event.type, event.reason, event.message)
        try:
            if plan.start is not None:
                await self._start(cron_job, plan, plan.start)
        finally:
            await self._tell(cron_job, plan.status)
        for job in plan_cleanup(cron_job, jobs):
            await self._delete(cron_job, job)
        return plan.again

    async def _start(self, cron_job: Object, plan: Plan, scheduled: datetime) -> None:
        """Changes the plan's status. Raises StatusError."""
        for job in plan.replace:
            await self._delete(cron_job, job)
            left = [one for one in plan.status.get("active") or () if one["uid"] != meta.uid(job)]
            plan.status["active"] = left
        new = new_job(cron_job, meta.reference(cron_job, CRON_JOBS.api_version, "CronJob"), scheduled)
        try:
            made = await self._client.create(JOBS, new)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                if not namespace_is_going(error):
                    self._recorder.warning(cron_job, "FailedCreate", f"Error creating job: {error}")
                raise
            made = await self._client.get(JOBS, meta.name(new), meta.namespace(new))
            if not meta.controlled_by(made, cron_job):  # somebody else's
                return
        else:
            self._recorder.normal(cron_job, "SuccessfulCreate", f"Created job {meta.name(made)}")
        await self._jobs.seen(made)
        known = [one for one in plan.status.get("active") or () if one["uid"] != meta.uid(made)]
        plan.status |= {"active": [*known, object_reference(made)], "lastScheduleTime": to_text(scheduled)}

    async def _delete(self, cron_job: Object, job: Object) -> None:
        options = {"propagationPolicy": "Background", "preconditions": {"uid": meta.uid(job)}}
        try:
            gone = await self._client.delete(JOBS, meta.name(job), meta.namespace(job), options=options)
        except StatusError as error:
            if error.reason in ("NotFound", "Conflict"):
                return
            self._recorder.warning(cron_job, "FailedDelete", f"Deleted job: {error}")
            raise
        self._recorder.normal(cron_job, "SuccessfulDelete", f"Deleted job {meta.name(job)}")
        await self._jobs.seen(gone)

    async def _tell(self, cron_job: Object, status: Object) -> None:
        if not status.get("active"):
            status.pop("active", None)
        if status != (cron_job.get("status") or {}):
            written = await self._client.update(CRON_JOBS, {**cron_job, "status": status}, subresource="status")
            await self._cron_jobs.seen(written)
