"""What a CronJob does now: which Jobs it knows of, forgets, deletes and starts. Pure.

Follows upstream's cronjob_controllerv2.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import format_datetime
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.events import reference
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text, to_text
from corral.cluster.controllers.common.objects import copied
from corral.cluster.controllers.common.pods import annotation
from corral.cluster.controllers.cronjob.schedule import has_missed_many, last_time, next_time, zone_of
from corral.model.kubernetes.kinds.batch.cron import BadSchedule, Schedule, parse

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
LATER = 0.1  # seconds after the stroke, so that it has surely passed
_NO_JOB = "Not starting job because prior execution is running and concurrency policy is Forbid"
_MISSED = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
_TZ = (
    'CRON_TZ or TZ used in schedule "{}" is not officially supported, see '
    "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
)


class Event(NamedTuple):
    type: str
    reason: str
    message: str


@dataclass(slots=True)
class Plan:
    """`start`: the time that a Job is for; `replace`: Jobs to delete before it is made. `again`: seconds."""

    status: Object
    events: list[Event] = field(default_factory=list)
    start: datetime | None = None
    replace: list[Object] = field(default_factory=list)
    again: float | None = None

    def tell(self, reason: str, message: str, type: str = "Normal") -> None:
        self.events.append(Event(type, reason, message))


def finished(job: Object) -> str:
    """Complete, Failed, or "" while it has not ended."""
    for one in (job.get("status") or {}).get("conditions") or ():
        if one.get("type") in ("Complete", "Failed") and one.get("status") == "True":
            return str(one["type"])
    return ""


def plan_status(cron_job: Object, jobs: Sequence[Object]) -> Plan:
    """Jobs that ended or vanished are active no more; the last success is noted."""
    status = dict(cron_job.get("status") or {})
    plan = Plan(status)
    active = {one["uid"]: one for one in status.get("active") or ()}
    known = {meta.uid(job) for job in jobs}
    for job in sorted(jobs, key=meta.name):
        end, uid = finished(job), meta.uid(job)
        scheduled = annotation(job, SCHEDULED_AT)
        if not end and uid not in active and scheduled:  # made, and then we were stopped before it was noted
            active[uid] = reference(job)
            last = status.get("lastScheduleTime")
            if not last or from_text(last) < from_text(scheduled):
                status["lastScheduleTime"] = to_text(from_text(scheduled))
        elif not end and uid not in active:
            text = f"Saw a job that the controller did not create or forgot: {meta.name(job)}"
            plan.tell("UnexpectedJob", text, "Warning")
        elif end and uid in active:
            del active[uid]
            plan.tell("SawCompletedJob", f"Saw completed job: {meta.name(job)}, condition: {end}")
        done = (job.get("status") or {}).get("completionTime")
        if end == "Complete" and done and done > (status.get("lastSuccessfulTime") or ""):
            status["lastSuccessfulTime"] = done
    for uid in [uid for uid in active if uid not in known]:
        plan.tell("MissingJob", f"Active job went missing: {active.pop(uid)['name']}")
    status.pop("active", None)
    if active:
        status["active"] = list(active.values())
    return plan


def plan_start(cron_job: Object, jobs: Sequence[Object], plan: Plan, now: datetime) -> None:
    """Adds to the plan whether a Job starts now, or when to look again."""
    spec = cron_job["spec"]
    if meta.deleting(cron_job) or spec.get("suspend"):
        return
    found = _schedule(spec, plan)
    if found is None:
        return
    schedule, zone = found
    following = next_time(schedule, now, zone)
    plan.again = None if following is None else (following - now).total_seconds() + LATER
    since = _since(cron_job, plan.status, now)
    due = last_time(schedule, since, now, zone)
    if due is None:
        return
    if has_missed_many(schedule, since, now, zone):
        plan.tell("TooManyMissedTimes", _MISSED, "Warning")
    deadline = spec.get("startingDeadlineSeconds")
    if deadline is not None and due + timedelta(seconds=deadline) < now:
        when = format_datetime(due.astimezone(UTC)).replace("+0000", "UTC")
        plan.tell("MissSchedule", f"Missed scheduled time to start a job: {when}", "Warning")
        return
    active = plan.status.get("active") or []
    name = job_name(cron_job, due)
    if any(one["name"] == name for one in active) or plan.status.get("lastScheduleTime") == to_text(due):
        return
    if spec.get("concurrencyPolicy") == "Forbid" and active:
        plan.tell("JobAlreadyActive", _NO_JOB)
        return
    plan.start = due
    if spec.get("concurrencyPolicy") == "Replace":
        uids = {one["uid"] for one in active}
        plan.replace = [job for job in jobs if meta.uid(job) in uids]


def _schedule(spec: Object, plan: Plan) -> tuple[Schedule, tzinfo] | None:
    """What `spec` asks for; None (and an event) if it cannot be read, which waits for the next edit."""
    text, name = spec["schedule"], spec.get("timeZone") or ""
    if "TZ" in text:
        plan.tell("UnsupportedSchedule", _TZ.format(text), "Warning")
    try:
        schedule = parse(text)
    except BadSchedule as error:
        plan.tell("UnparseableSchedule", f'unparseable schedule: "{text}" : {error}', "Warning")
        return None
    try:
        return schedule, zone_of(schedule, name)
    except (ValueError, OSError, KeyError):
        plan.tell("UnknownTimeZone", f'invalid timeZone: "{name}": unknown time zone {name}', "Warning")
        return None


def _since(cron_job: Object, status: Object, now: datetime) -> datetime:
    """Times before this one are not caught up."""
    last = status.get("lastScheduleTime")
    since = from_text(last or cron_job["metadata"]["creationTimestamp"])
    deadline = cron_job["spec"].get("startingDeadlineSeconds")
    return since if deadline is None else max(since, now - timedelta(seconds=deadline))


def job_name(cron_job: Object, scheduled: datetime) -> str:
    """The same time always gives the same name, so no time starts two Jobs.

    >>> job_name({"metadata": {"name": "tick"}}, datetime(2026, 1, 2, tzinfo=UTC))
    'tick-29455200'
    """
    return f"{meta.name(cron_job)}-{int(scheduled.timestamp()) // 60}"


def new_job(cron_job: Object, owner: Object, scheduled: datetime) -> Object:
    template = copied(cron_job["spec"]["jobTemplate"])
    given = template.get("metadata") or {}
    zone = cron_job["spec"].get("timeZone") or ""
    at = to_text(scheduled)
    if zone:
        local = scheduled.astimezone(zone_of(parse("@daily"), zone)).isoformat(timespec="seconds")
        at = local.replace("+00:00", "Z")
    metadata: Object = {
        "name": job_name(cron_job, scheduled),
        "namespace": meta.namespace(cron_job),
        "annotations": {**(given.get("annotations") or {}), SCHEDULED_AT: at},
        "ownerReferences": [owner],
    }
    if given.get("labels"):
        metadata["labels"] = given["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template.get("spec") or {}}


def plan_cleanup(cron_job: Object, jobs: Iterable[Object]) -> list[Object]:
    """Finished Jobs beyond the limits, the oldest first.

    >>> job = lambda name: {"metadata": {"name": name}, "status": {"startTime": name,
    ...                     "conditions": [{"type": "Complete", "status": "True"}]}}
    >>> [meta.name(one) for one in plan_cleanup({"spec": {"successfulJobsHistoryLimit": 1}}, map(job, "cab"))]
    ['a', 'b']
    """
    ended = sorted(jobs, key=lambda job: ((job.get("status") or {}).get("startTime") or "", meta.name(job)))
    found = []
    for end, limit in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        most = cron_job["spec"].get(limit)
        same = [job for job in ended if finished(job) == end and not meta.deleting(job)]
        if most is not None:
            found += same[: max(0, len(same) - most)]
    return found
