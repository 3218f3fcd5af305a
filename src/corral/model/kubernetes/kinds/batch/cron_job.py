"""CronJob. Pure."""

from __future__ import annotations

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.batch import cron, job
from corral.model.kubernetes.kinds.batch.columns import CRON_JOB_COLUMNS
from corral.model.kubernetes.kinds.checks import Problems, each, listed, nonnegative, one_of
from corral.model.kubernetes.kinds.core.pod_spec.warnings import warn
from corral.model.kubernetes.kinds.fields import ensure, fill, fill_empty, flag, has, is_new, metadata, part, text
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import invalid, not_supported, required

_POLICIES = ("Allow", "Forbid", "Replace")
_LONGEST = 52  # a Job's name has a number of 11 characters more


def _default(obj: Object) -> None:
    spec = ensure(obj, "spec")
    fill_empty(spec, "concurrencyPolicy", "Allow")
    fill(spec, "suspend", False)
    fill(spec, "successfulJobsHistoryLimit", 3)
    fill(spec, "failedJobsHistoryLimit", 1)
    job.default_template_spec(ensure(ensure(spec, "jobTemplate"), "spec"))
    ensure_status(obj)


def _validate(obj: Object) -> Problems:
    spec, name = part(obj, "spec"), text(metadata(obj), "name")
    if text(spec, "schedule"):
        yield from _schedule(text(spec, "schedule"))
    else:
        yield required("spec.schedule")
    yield from nonnegative(spec, "spec", "startingDeadlineSeconds")
    if has(spec, "timeZone"):
        zone = text(spec, "timeZone")
        yield from each("spec.timeZone", zone, names.time_zone(zone))
    yield from one_of(spec, "concurrencyPolicy", "spec", _POLICIES)
    template = part(spec, "jobTemplate", "spec")
    yield from job.check_spec(template, "spec.jobTemplate.spec")
    if has(template, "selector"):
        yield invalid("spec.jobTemplate.spec.selector", template["selector"], "`selector` will be auto-generated")
    if flag(template, "manualSelector"):
        yield not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"))
    yield from nonnegative(spec, "spec", "successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    if is_new(obj) and len(name) > _LONGEST:
        yield invalid("metadata.name", name, f"must be no more than {_LONGEST} characters")


def _schedule(schedule: str) -> Problems:
    """
    >>> [one.detail for one in _schedule("* * *")]
    ['expected exactly 5 fields, found 3: [* * *]']
    """
    try:
        cron.parse(schedule)
    except cron.BadSchedule as error:
        yield invalid("spec.schedule", schedule, error.message)
    if "TZ" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid("spec.schedule", schedule, detail)


def _warnings(new: Object, old: Object | None) -> list[str]:
    template, path = part(new, "spec", "jobTemplate", "spec", "template"), "spec.jobTemplate.spec.template"
    if old is not None and template == part(old, "spec", "jobTemplate", "spec", "template"):
        return []
    return [*(job.name_warning(new) if old is None else []), *warn(template, path)]


CRON_JOB = Kind(
    default=_default,
    prepare_create=clear_status,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    warnings=_warnings,
    has_status=True,
    columns=CRON_JOB_COLUMNS,
)
