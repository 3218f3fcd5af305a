"""Job. Pure. Follows pkg/apis/batch/validation and pkg/registry/batch/job/strategy.go."""

from __future__ import annotations

import copy

from corral.model.kubernetes import names
from corral.model.kubernetes.kind import Kind, Object
from corral.model.kubernetes.kinds.batch.columns import JOB_COLUMNS
from corral.model.kubernetes.kinds.batch.job_policies import check_failure_policy, check_success_policy
from corral.model.kubernetes.kinds.checks import (
    Problems,
    dns_label,
    each,
    immutable,
    label_selector,
    listed,
    nonnegative,
    read_selector,
)
from corral.model.kubernetes.kinds.core.pod_spec.defaults import default_template
from corral.model.kubernetes.kinds.core.pod_spec.validation import check_pod_template
from corral.model.kubernetes.kinds.core.pod_spec.warnings import warn
from corral.model.kubernetes.kinds.fields import (
    ensure,
    fill,
    fill_empty,
    flag,
    has,
    is_new,
    keep,
    metadata,
    number,
    objects,
    part,
    same,
    text,
    values,
)
from corral.model.kubernetes.kinds.statuses import clear_status, ensure_status, keep_spec, keep_status
from corral.model.kubernetes.problems import (
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
)

PREFIX = "batch.kubernetes.io/"
UID, NAME = "controller-uid", "job-name"
_NUMBERS = "parallelism completions activeDeadlineSeconds backoffLimit ttlSecondsAfterFinished backoffLimitPerIndex"
_PARALLEL, _SOFT = 100_000, 100_000
_MANY_PARALLEL = _MANY_FAILED = 10_000
_RESTARTS = ("OnFailure", "Never")
FIXED = "completionMode podFailurePolicy backoffLimitPerIndex managedBy successPolicy".split()


def default_spec(spec: Object) -> None:
    """What the spec of a Job has where it says nothing; a CronJob's template gets the pod's defaults alone."""
    if not has(spec, "completions") and not has(spec, "parallelism"):
        spec["completions"] = 1
    fill(spec, "parallelism", 1)
    fill(spec, "backoffLimit", 2**31 - 1 if has(spec, "backoffLimitPerIndex") else 6)
    fill(spec, "completionMode", "NonIndexed")
    fill(spec, "suspend", False)
    fill(spec, "podReplacementPolicy", "Failed" if has(spec, "podFailurePolicy") else "TerminatingOrFailed")
    fill(spec, "manualSelector", False)


def default_template_spec(spec: Object) -> None:
    default_template(ensure(spec, "template"))
    for rule in objects(part(spec, "podFailurePolicy"), "rules"):
        for pattern in objects(rule, "onPodConditions"):
            fill_empty(pattern, "status", "True")


def _default(job: Object) -> None:
    spec = ensure(job, "spec")
    default_spec(spec)
    default_template_spec(spec)
    if (labels := part(spec, "template", "metadata", "labels")) and not part(job, "metadata", "labels"):
        ensure(job, "metadata")["labels"] = dict(labels)
    ensure_status(job)


def _prepare_create(job: Object) -> None:
    """The pods of a Job are found by its uid, unless it brings a selector of its own."""
    clear_status(job)
    spec = ensure(job, "spec")
    if flag(spec, "manualSelector"):
        return
    found = ensure(ensure(ensure(spec, "template"), "metadata"), "labels")
    for prefix in ("", PREFIX):
        found.setdefault(f"{prefix}{UID}", text(metadata(job), "uid"))
        found.setdefault(f"{prefix}{NAME}", text(metadata(job), "name"))
    ensure(ensure(spec, "selector"), "matchLabels").setdefault(f"{PREFIX}{UID}", text(metadata(job), "uid"))


def _validate(job: Object) -> Problems:
    spec = part(job, "spec")
    if is_new(job):
        yield from _generated(job, spec)
    yield from check_spec(spec, "spec")
    if isinstance(spec.get("selector"), dict):
        yield from label_selector(spec, "selector", "spec.selector")
    else:
        yield required("spec.selector")
    selector, labels = read_selector(spec.get("selector")), part(spec, "template", "metadata", "labels")
    if selector is not None and not selector.matches(labels):
        yield invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`")
    if text(spec, "completionMode") == "Indexed" and number(spec, "completions") > 0:
        host = f"{text(metadata(job), 'name')}-{number(spec, 'completions') - 1}"
        if dns_label(host):
            detail = f"will not able to create pod with invalid DNS label: {host}"
            yield invalid("metadata.name", text(metadata(job), "name"), detail)


def _generated(job: Object, spec: Object) -> Problems:
    """Labels that were made must be as they were made."""
    if flag(spec, "manualSelector") or not isinstance(spec.get("selector"), dict):
        return
    uid, name = text(metadata(job), "uid"), text(metadata(job), "name")
    if not uid:
        yield required("metadata.uid")
    labels = part(spec, "template", "metadata", "labels")
    wanted = {f"{prefix}{key}": value for prefix in ("", PREFIX) for key, value in ((UID, uid), (NAME, name))}
    for key, value in wanted.items():
        path = f"spec.template.metadata.labels[{key}]"
        if key not in labels:
            yield required(path, f"must be '{value}'")
        elif labels[key] != value:
            yield invalid(path, labels, f"must be '{value}'")
    selector = read_selector(spec["selector"])
    if selector is not None and not selector.matches(wanted):
        yield invalid("spec.selector", spec["selector"], "`selector` not auto-generated")


def check_spec(spec: Object, path: str) -> Problems:
    """The spec of a Job or of a CronJob's template; the selector is for the Job alone."""
    yield from nonnegative(spec, path, *_NUMBERS.split(), "maxFailedIndexes")
    if has(spec, "maxFailedIndexes") and not has(spec, "backoffLimitPerIndex"):
        yield required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if has(spec, "managedBy"):
        name = text(spec, "managedBy")
        yield from each(f"{path}.managedBy", name, names.domain_prefixed_path(name))
        if len(name) > 63:
            yield too_long(f"{path}.managedBy", 63)
    yield from _completion_mode(spec, path)
    yield from check_failure_policy(spec, f"{path}.podFailurePolicy")
    yield from check_success_policy(spec, f"{path}.successPolicy")
    yield from _replacement(spec, f"{path}.podReplacementPolicy")
    template = part(spec, "template")
    yield from check_pod_template(template, f"{path}.template")
    yield from _restart(spec, text(part(template, "spec"), "restartPolicy"), f"{path}.template.spec.restartPolicy")


def _completion_mode(spec: Object, path: str) -> Problems:
    mode = spec.get("completionMode")
    if mode is not None and mode not in ("NonIndexed", "Indexed"):
        yield not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed"))
    if mode == "Indexed":
        yield from _indexed(spec, path)
    elif mode in (None, "NonIndexed"):
        for key in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if has(spec, key):
                yield invalid(f"{path}.{key}", number(spec, key), "requires indexed completion mode")


def _indexed(spec: Object, path: str) -> Problems:
    completions, parallel = number(spec, "completions"), number(spec, "parallelism")
    failed = spec.get("maxFailedIndexes")
    if not has(spec, "completions"):
        yield required(f"{path}.completions", "when completion mode is Indexed")
    if parallel > _PARALLEL:
        detail = f"must be less than or equal to {_PARALLEL} when completion mode is Indexed"
        yield invalid(f"{path}.parallelism", parallel, detail)
    if failed is not None and has(spec, "completions") and failed > completions:
        yield invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions")
    if failed is not None and failed > _PARALLEL:
        yield invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_PARALLEL}")
    if completions > _SOFT and has(spec, "backoffLimitPerIndex"):
        beyond = f"when completions are above {_SOFT} and used with backoff limit per index"
        if failed is None:
            yield required(f"{path}.maxFailedIndexes", f"must be specified when completions is above {_SOFT}")
        elif failed > _MANY_FAILED:
            yield invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {_MANY_FAILED} {beyond}")
        if parallel > _MANY_PARALLEL:
            yield invalid(f"{path}.parallelism", parallel, f"must be less than or equal to {_MANY_PARALLEL} {beyond}")


def _replacement(spec: Object, path: str) -> Problems:
    policy = spec.get("podReplacementPolicy")
    allowed = ("Failed",) if has(spec, "podFailurePolicy") else ("Failed", "TerminatingOrFailed")
    if policy is not None and policy not in allowed:
        yield not_supported(path, policy, allowed)


def _restart(spec: Object, policy: str, path: str) -> Problems:
    """
    >>> [str(one) for one in _restart({}, "Always", "restartPolicy")]
    ['restartPolicy: Required value: valid values: "OnFailure", "Never"']
    """
    if policy in ("", "Always"):
        yield required(path, 'valid values: "OnFailure", "Never"')
    elif policy not in _RESTARTS:
        yield not_supported(path, policy, _RESTARTS)
    elif has(spec, "podFailurePolicy") and policy != "Never":
        yield invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')


def _validate_update(new: Object, old: Object) -> Problems:
    spec, was = part(new, "spec"), part(old, "spec")
    yield from _completions(spec, was)
    yield from immutable(spec, was, "spec", "selector")
    before = part(was, "template")
    if flag(was, "suspend") and not has(part(old, "status"), "startTime"):
        before = _with_directives(before, part(spec, "template"))
    if _waits(old):
        before = _with_resources(before, part(spec, "template"))
    if not same(spec.get("template"), before):
        yield invalid("spec.template", spec.get("template"), "field is immutable")
    yield from immutable(spec, was, "spec", *FIXED)


def _completions(spec: Object, was: Object) -> Problems:
    """An indexed Job may grow and shrink, as long as all its pods may run at once."""
    if text(spec, "completionMode") != "Indexed":
        yield from immutable(spec, was, "spec", "completions")
    elif has(spec, "completions") and number(spec, "completions") not in (
        number(was, "completions"),
        number(spec, "parallelism"),
    ):
        detail = "can only be modified in tandem with spec.parallelism"
        yield invalid("spec.completions", number(spec, "completions"), detail)


def _with_directives(old: Object, new: Object) -> Object:
    """The old template with all that decides where pods run as in the new one: a Job that waits may be moved."""
    allowed = copy.deepcopy(old)
    pod, found = ensure(allowed, "spec"), part(new, "spec")
    keep(pod, found, "nodeSelector", "tolerations", "schedulingGates")
    keep(ensure(allowed, "metadata"), part(new, "metadata"), "annotations", "labels")
    affinity = dict(part(pod, "affinity"))
    keep(affinity, part(found, "affinity"), "nodeAffinity")
    pod["affinity"] = affinity
    return allowed


def _waits(job: Object) -> bool:
    """Suspended, and whatever pods it had are gone: what they are to ask for may still be changed.

    >>> _waits({"spec": {"suspend": True}}), _waits({"spec": {"suspend": True}, "status": {"active": 1}})
    (True, False)
    """
    status = part(job, "status")
    if not flag(part(job, "spec"), "suspend") or number(status, "active"):
        return False
    stopped = any(text(one, "type") == "Suspended" and text(one, "status") == "True"
                  for one in values(status, "conditions"))  # fmt: skip
    return stopped or not has(status, "startTime")


def _with_resources(old: Object, new: Object) -> Object:
    """The old template with the requests and limits of the containers of the new one, by their names."""
    allowed = copy.deepcopy(old)
    for key in ("containers", "initContainers"):
        given = {text(one, "name"): one for one in values(part(new, "spec"), key)}
        for one in values(part(allowed, "spec"), key):
            if text(one, "name") in given:
                keep(one, given[text(one, "name")], "resources")
    return allowed


def _validate_status(new: Object, old: Object) -> Problems:
    status = part(new, "status")
    yield from nonnegative(status, "status", "active", "succeeded", "failed", "ready", "terminating")
    seen: set[str] = set()
    for which in ("succeeded", "failed"):
        path = f"status.uncountedTerminatedPods.{which}"
        for index, uid in enumerate(values(part(status, "uncountedTerminatedPods"), which)):
            if not uid:
                yield invalid(f"{path}[{index}]", uid, "must not be empty")
            elif uid in seen:
                yield duplicate(f"{path}[{index}]", uid)
            seen.add(uid)


def name_warning(new: Object) -> list[str]:
    details = dns_label(text(metadata(new), "name"))
    if not details:
        return []
    says = "this is used in Pod names and hostnames, which can result in surprising behavior"
    return [f"metadata.name: {says}; a DNS label is recommended: [{' '.join(details)}]"]


def _warnings(new: Object, old: Object | None) -> list[str]:
    if old is not None and part(new, "spec", "template") == part(old, "spec", "template"):
        return []
    found = name_warning(new) if old is None else []
    return found + list(warn(part(new, "spec", "template"), "spec.template"))


JOB = Kind(
    default=_default,
    prepare_create=_prepare_create,
    prepare_update=keep_status,
    prepare_status=keep_spec,
    validate=listed(_validate),
    validate_update=listed(_validate_update),
    validate_status=listed(_validate_status),
    warnings=_warnings,
    has_status=True,
    columns=JOB_COLUMNS,
    fields={"status.successful": lambda job: str(number(part(job, "status"), "succeeded"))},
)
