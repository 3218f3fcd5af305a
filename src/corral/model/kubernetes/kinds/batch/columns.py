"""How kubectl shows Jobs and CronJobs. Pure."""

from __future__ import annotations

from datetime import datetime

from corral.model.kubernetes.kind import Column, Object
from corral.model.kubernetes.kinds.ages import human_duration, parse_time, since
from corral.model.kubernetes.kinds.cells import (
    AGE,
    NONE,
    at,
    boolean,
    column,
    container_columns,
    count,
    format_selector,
    wide,
)
from corral.model.kubernetes.kinds.fields import has, metadata, number, objects, part, text

_JOB_TEMPLATE = ("spec", "jobTemplate", "spec")


def _is(job: Object, condition: str) -> bool:
    found = next((one for one in objects(part(job, "status"), "conditions") if text(one, "type") == condition), {})
    return text(found, "status") == "True"


def _status(job: Object) -> str:
    """
    >>> _status({"status": {"conditions": [{"type": "Complete", "status": "True"}]}}), _status({})
    ('Complete', 'Running')
    """
    for condition in ("Complete", "Failed"):
        if _is(job, condition):
            return condition
    if has(metadata(job), "deletionTimestamp"):
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if _is(job, condition):
            return condition
    return "Running"


def _completions(job: Object) -> str:
    spec, done = part(job, "spec"), number(part(job, "status"), "succeeded")
    if has(spec, "completions"):
        return f"{done}/{number(spec, 'completions')}"
    parallel = number(spec, "parallelism")
    return f"{done}/1 of {parallel}" if parallel > 1 else f"{done}/1"


def _duration(job: Object, now: datetime) -> str:
    status = part(job, "status")
    start, end = parse_time(status.get("startTime")), parse_time(status.get("completionTime"))
    return human_duration((end or now) - start) if start else ""


JOB_COLUMNS = (
    column("Status", _status),
    column("Completions", _completions),
    Column("Duration", _duration),
    AGE,
    *container_columns("spec", "template"),
    wide("Selector", lambda job: format_selector(part(job, "spec").get("selector"))),
)


def _last(cron_job: Object, now: datetime) -> str:
    last = part(cron_job, "status").get("lastScheduleTime")
    return NONE if last is None else since(last, now)


CRON_JOB_COLUMNS = (
    column("Schedule", at("spec", "schedule")),
    column("Timezone", at("spec", "timeZone", default=NONE)),
    column("Suspend", lambda obj: boolean(part(obj, "spec").get("suspend")), "boolean"),
    column("Active", lambda obj: count(part(obj, "status").get("active")), "integer"),
    Column("Last Schedule", _last),
    AGE,
    *container_columns(*_JOB_TEMPLATE, "template"),
    wide("Selector", lambda obj: format_selector(part(obj, *_JOB_TEMPLATE).get("selector"))),
)
