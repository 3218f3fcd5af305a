"""Deletes Jobs that have finished ttlSecondsAfterFinished ago. Follows upstream's pkg/controller/ttlafterfinished."""

from __future__ import annotations

from datetime import datetime, timedelta

from corral.cluster.client import meta
from corral.cluster.client.builtin import JOBS
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError


def seconds_left(job: Object, now: datetime) -> float | None:
    """Pure: until the Job may go; None: never, or it has not finished.

    >>> done = {"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    >>> job = {"metadata": {}, "spec": {"ttlSecondsAfterFinished": 10}, "status": {"conditions": [done]}}
    >>> now = from_text("2026-01-02T03:04:07Z")
    >>> seconds_left(job, now), seconds_left({**job, "status": {}}, now)
    (8.0, None)
    """
    ttl = job["spec"].get("ttlSecondsAfterFinished")
    if ttl is None or meta.deleting(job):
        return None
    for one in (job.get("status") or {}).get("conditions") or ():
        if one.get("type") in ("Complete", "Failed") and one.get("status") == "True":
            ended = from_text(one["lastTransitionTime"])
            return max(0.0, (ended + timedelta(seconds=ttl) - now).total_seconds())
    return None


class TtlController(Controller):
    name = "ttl-after-finished-controller"

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._jobs = shared.informers.of(JOBS)
        super().__init__([self._jobs])
        self._jobs.on_change(self._job_changed)

    def _job_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and seconds_left(new, self._shared.now()) is not None:
            self.queue.add(meta.key(new))

    async def reconcile(self, key: str) -> float | None:
        job = self._jobs.get(key)
        left = None if job is None else seconds_left(job, self._shared.now())
        if job is None or left is None:
            return None
        if left > 0:
            return left
        name, namespace = meta.name(job), meta.namespace(job)
        try:
            fresh = await self._shared.client.get(JOBS, name, namespace)  # its time may have been changed just now
            if meta.uid(fresh) != meta.uid(job) or (left := seconds_left(fresh, self._shared.now())) is None:
                return None
            if left > 0:
                return left
            uid, version = meta.uid(fresh), fresh["metadata"]["resourceVersion"]
            options = {"propagationPolicy": "Foreground", "preconditions": {"uid": uid, "resourceVersion": version}}
            await self._shared.client.delete(JOBS, name, namespace, options=options)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
        return None
