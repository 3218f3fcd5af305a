"""Counting pods exactly once, whatever is killed when. Pure.

A pod keeps a finalizer until it is counted. First the status notes the pods' uids (`uncountedTerminatedPods`), then
their finalizers go, then the uids become numbers; an indexed Job's successes need no uids, its indexes are enough.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.common import conditions
from corral.cluster.controllers.common.pods import phase
from corral.cluster.controllers.job.deciding import COMPLETE, FAILED, MET, TARGET, condition
from corral.cluster.controllers.job.indexes import show
from corral.cluster.controllers.job.policies import judge_failure
from corral.cluster.controllers.job.situation import Situation, tracked

MOST_UNCOUNTED = 500  # uids in a status


class Tracking(NamedTuple):
    """`status` is to be written before the finalizers of `release` go. `all`: no pods were left for later."""

    status: Object
    release: list[Object]
    all: bool


def settled(status: Object, tracked_uids: Collection[str]) -> Object:
    """The status with those uids counted whose pods have lost their finalizer.

    >>> status = {"succeeded": 1, "uncountedTerminatedPods": {"succeeded": ["a", "b"]}}
    >>> settled(status, {"b"})
    {'succeeded': 2, 'uncountedTerminatedPods': {'succeeded': ['b']}}
    """
    uncounted, found = status.get("uncountedTerminatedPods") or {}, dict(status)
    left: Object = {}
    for name in ("succeeded", "failed"):
        known = uncounted.get(name) or []
        still = [uid for uid in known if uid in tracked_uids]
        if len(still) < len(known):
            found[name] = int(found.get(name) or 0) + len(known) - len(still)
        if still:
            left[name] = still
    return {**found, "uncountedTerminatedPods": left}


def plan_tracking(at: Situation, status: Object, end: Object | None) -> Tracking:
    """What to note of pods that ended. `status`: the new one so far; `end`: how the Job ends, if it does."""
    uids = {meta.uid(pod) for pod in at.pods if tracked(pod)}
    status = settled(status, uids)
    notes = {name: list((status["uncountedTerminatedPods"].get(name)) or ()) for name in ("succeeded", "failed")}
    indexes = set(at.counted_indexes)
    release, whole = [], True
    for pod in sorted(at.pods, key=lambda one: (at.index(one) or 0, meta.name(one))):
        if not tracked(pod) or not _may_release(at, pod, end):
            continue
        release.append(pod)
        _note(at, pod, end, notes, indexes)
        if len(indexes) - len(at.counted_indexes) + sum(map(len, notes.values())) >= MOST_UNCOUNTED:
            whole = False
            break
    status["uncountedTerminatedPods"] = {name: uids for name, uids in notes.items() if uids}
    if at.indexed:
        status = _with_indexes(at, status, indexes)
    return Tracking(_with_interim(status, end), release, whole)


def _may_release(at: Situation, pod: Object, end: Object | None) -> bool:
    if meta.deleting(at.job) or end is not None or phase(pod) == "Succeeded":
        return True
    if not at.has_failed(pod):
        return False
    index = at.index(pod)
    return index is None or at.kept_back.get(index) is not pod


def _note(at: Situation, pod: Object, end: Object | None, notes: dict[str, list[str]], indexes: set[int]) -> None:
    """Changes `notes` and `indexes`."""
    uid, index = meta.uid(pod), at.index(pod)
    if phase(pod) == "Succeeded" and uid not in notes["failed"]:
        if not at.indexed:
            if uid not in notes["succeeded"]:
                notes["succeeded"].append(uid)
        elif index is not None:
            indexes.add(index)
        return
    fails = at.has_failed(pod) or (end is not None and end["type"] not in (MET, COMPLETE))
    known = uid in notes["failed"] or (at.indexed and index is None)
    if fails and phase(pod) != "Succeeded" and not known and judge_failure(at.policy, pod).counts:
        notes["failed"].append(uid)


def _with_indexes(at: Situation, status: Object, indexes: set[int]) -> Object:
    found = {**status, "succeeded": len(indexes), "completedIndexes": show(indexes)}
    if at.per_index is not None:
        found["failedIndexes"] = show(at.failed_indexes)
    return {key: value for key, value in found.items() if key not in ("succeeded", "completedIndexes") or value}


def _with_interim(status: Object, end: Object | None) -> Object:
    """SuccessCriteriaMet and FailureTarget are said at once, what is final only when all is counted."""
    if end is None or end["type"] not in (TARGET, MET) or conditions.find(status.get("conditions"), end["type"]):
        return status
    return {**status, "conditions": [*(status.get("conditions") or ()), end]}


def plan_finish(at: Situation, status: Object, end: Object | None, terminating: int) -> Object | None:
    """The final status; None: some pods are not accounted for yet, or still run down."""
    left = status.get("uncountedTerminatedPods") or {}
    if end is None or left.get("succeeded") or left.get("failed") or terminating > 0:
        return None
    type = COMPLETE if end["type"] == MET else FAILED
    final = condition(type, end.get("reason") or "", end.get("message") or "", at)
    told = [*conditions.without(status.get("conditions"), type), final]
    found = {**status, "terminating": 0, "conditions": told}  # counted before those went that this waited for
    return found | {"completionTime": to_text(at.now)} if type == COMPLETE else found
