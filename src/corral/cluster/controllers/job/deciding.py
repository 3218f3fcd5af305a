"""Whether a Job has ended, and which pods it needs meanwhile. Pure. Follows upstream's job_controller.go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text, to_text
from corral.cluster.controllers.common import conditions
from corral.cluster.controllers.common.podcontrol import BURST
from corral.cluster.controllers.common.pods import phase
from corral.cluster.controllers.common.ranking import plan_deletions
from corral.cluster.controllers.job.backoff import Record, finished_at
from corral.cluster.controllers.job.indexes import first_missing
from corral.cluster.controllers.job.policies import judge_failure, met_success_rule
from corral.cluster.controllers.job.situation import Situation, all_failures

TARGET, FAILED = "FailureTarget", "Failed"
MET, COMPLETE = "SuccessCriteriaMet", "Complete"


def condition(type: str, reason: str, message: str, at: Situation) -> Object:
    now = to_text(at.now)
    return conditions.make(type, True, reason, message, now) | {"lastProbeTime": now}


def deadline_left(at: Situation) -> float | None:
    """Seconds until activeDeadlineSeconds are over; None: they do not run."""
    limit, start = at.spec.get("activeDeadlineSeconds"), at.status.get("startTime")
    if limit is None or start is None or at.suspended:
        return None
    return (from_text(start) + timedelta(seconds=limit) - at.now).total_seconds()


def too_many_restarts(at: Situation) -> bool:
    """With restartPolicy OnFailure containers that were restarted count as failures."""
    if at.spec["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    total = 0
    for pod in at.pods:
        if phase(pod) in ("Running", "Pending"):
            status = pod.get("status") or {}
            for one in (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())):
                total += int(one.get("restartCount") or 0)
    limit = int(at.spec.get("backoffLimit") or 0)
    return total > 0 if limit == 0 else total >= limit


def end_of(at: Situation) -> Object | None:
    """The condition that says how it ends: SuccessCriteriaMet or FailureTarget, which become final when all pods are
    accounted for; Failed where the target was set before. None: it goes on.

    >>> from datetime import datetime
    >>> job = {"metadata": {}, "spec": {"backoffLimit": 0, "template": {"spec": {}}}, "status": {"failed": 1}}
    >>> end_of(Situation(job, [], datetime(2026, 1, 2)))["reason"]
    'BackoffLimitExceeded'
    """
    known = at.status.get("conditions")
    met = conditions.find(known, MET)
    if met is not None and met.get("status") == "True":
        return met
    target = conditions.find(known, TARGET)
    if target is not None and target.get("status") == "True":
        return condition(FAILED, target.get("reason") or "", target.get("message") or "", at)
    return _failure(at) or _index_end(at)


def _failure(at: Situation) -> Object | None:
    for pod in at.pods if at.policy else ():
        if at.has_failed(pod) and (text := judge_failure(at.policy, pod).message):
            return condition(TARGET, "PodFailurePolicy", text, at)
    if at.failed > int(at.spec.get("backoffLimit", 6)) or too_many_restarts(at):
        return condition(TARGET, "BackoffLimitExceeded", "Job has reached the specified backoff limit", at)
    left = deadline_left(at)
    if left is not None and left <= 0:
        return condition(TARGET, "DeadlineExceeded", "Job was active longer than specified deadline", at)
    return None


def _index_end(at: Situation) -> Object | None:
    if not at.indexed:
        return None
    if at.per_index is not None and at.failed_indexes:
        most = at.spec.get("maxFailedIndexes")
        if most is not None and len(at.failed_indexes) > most:
            text = "Job has exceeded the specified maximal number of failed indexes"
            return condition(TARGET, "MaxFailedIndexesExceeded", text, at)
        if len(at.failed_indexes) + len(at.succeeded_indexes) >= at.total:
            return condition(TARGET, "FailedIndexes", "Job has failed indexes", at)
    text = met_success_rule(at.spec.get("successPolicy"), at.total, at.succeeded_indexes)
    return condition(MET, "SuccessPolicy", text, at) if text else None


def is_complete(at: Situation, active: int) -> bool:
    """As many succeeded as were asked for; without a number, one did and none runs any more."""
    enough = at.succeeded > 0 if at.completions is None else at.succeeded >= at.completions
    return enough and active == 0


class Plan(NamedTuple):
    """`create`: one entry for each new pod, its index, or None if the Job has none. `again`: seconds to wait for."""

    create: list[int | None]
    delete: list[Object]
    again: float | None = None


def wanted_active(at: Situation) -> int:
    """How many pods should run now."""
    parallelism = int(at.spec.get("parallelism", 1))
    if at.completions is None:
        return len(at.active) if at.succeeded > 0 else parallelism
    return max(0, min(parallelism, at.completions - at.succeeded - len(at.failed_indexes)))


def plan_pods(at: Situation, record: Record) -> Plan:
    """Which pods a Job that goes on lacks, or has too many of; never both at once.

    >>> from datetime import datetime
    >>> spec = {"parallelism": 2, "completions": 5, "completionMode": "Indexed", "template": {"spec": {}}}
    >>> at = Situation({"metadata": {}, "spec": spec, "status": {"completedIndexes": "0"}}, [], datetime(2026, 1, 2))
    >>> plan_pods(at, Record())
    Plan(create=[1, 2], delete=[], again=None)
    """
    if at.suspended:
        return Plan([], list(at.active))
    wanted = wanted_active(at)
    surplus = _surplus(at, max(0, len(at.active) - wanted))
    if surplus:
        return Plan([], surplus[:BURST])
    leaving = len(at.terminating) if at.replaces_failed_only else 0
    missing = wanted - len(at.active) - leaving
    if missing <= 0:
        return Plan([], [])
    if at.per_index is None and (left := record.left(at.now)) > 0:
        return Plan([], [], left)
    missing = min(missing, BURST)
    return _plan_indexes(at, missing) if at.indexed else Plan([None] * missing, [])


def _plan_indexes(at: Situation, missing: int) -> Plan:
    taken = at.succeeded_indexes | at.failed_indexes | _indexes(at, at.active)
    if at.replaces_failed_only:
        taken |= _indexes(at, at.terminating)
    free = first_missing(taken, missing, at.total)
    if at.per_index is None:
        return Plan(list(free), [])
    waits = {index: _index_wait(at, index) for index in free}
    now: list[int | None] = [index for index in free if waits[index] == 0]
    return Plan(now, [], None if now else min(waits.values(), default=None))


def _index_wait(at: Situation, index: int) -> float:
    before = at.kept_back.get(index)
    return 0.0 if before is None else Record(all_failures(before) + 1, finished_at(before, at.now)).left(at.now)


def _indexes(at: Situation, pods: Sequence[Object]) -> set[int]:
    return {index for pod in pods if (index := at.index(pod)) is not None}


def _surplus(at: Situation, least: int) -> list[Object]:
    """Pods to delete: of an indexed Job those without an index of their own in any case."""
    doubled: list[Object] = []
    left = list(at.active)
    if at.indexed:
        left = []
        seen: dict[int, list[Object]] = {}
        for pod in at.active:
            index = at.index(pod)
            if index is None:
                doubled.append(pod)
            else:
                seen.setdefault(index, []).append(pod)
        for same in seen.values():
            going = plan_deletions(same, len(same) - 1, at.now)
            doubled += going
            left += [pod for pod in same if pod not in going]
    return doubled + plan_deletions(left, least - len(doubled), at.now)
