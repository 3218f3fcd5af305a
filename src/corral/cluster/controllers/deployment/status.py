"""What a Deployment says of itself: counts, and conditions. Pure. Follows upstream's sync.go and progress.go."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text, to_text
from corral.cluster.controllers.common import conditions
from corral.cluster.controllers.common.objects import counted, replicas
from corral.cluster.controllers.deployment.revisions import Fleet
from corral.cluster.controllers.deployment.sizes import bounds_of

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
DONE, MOVING, LATE = "NewReplicaSetAvailable", "ReplicaSetUpdated", "ProgressDeadlineExceeded"
CREATED, FOUND, FAILED = "NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetCreateError"
PAUSED, RESUMED = "DeploymentPaused", "DeploymentResumed"
NO_DEADLINE = 2**31 - 1


def deadline(deployment: Object) -> int | None:
    """Seconds without progress after which it counts as stuck; None: never."""
    found = deployment["spec"].get("progressDeadlineSeconds")
    return None if found is None or found == NO_DEADLINE else int(found)


def condition(type: str, status: bool | str, reason: str, message: str, now: datetime) -> Object:
    found = conditions.make(type, status, reason, message, to_text(now))
    return found | {"lastUpdateTime": to_text(now)}


def set_condition(known: Sequence[Object], new: Object) -> list[Object]:
    """With the new condition, unless it says the same already; a transition is a change of its status.

    >>> one = {"type": "A", "status": "True", "reason": "r", "lastTransitionTime": "t1"}
    >>> set_condition([one], {**one, "reason": "s", "lastTransitionTime": "t2"})[0]["lastTransitionTime"]
    't1'
    """
    old = conditions.find(known, new["type"])
    if old is not None and old.get("status") == new["status"]:
        if old.get("reason") == new.get("reason"):
            return list(known)
        new = {**new, "lastTransitionTime": old.get("lastTransitionTime")}
    return [*conditions.without(known, new["type"]), new]


def plan_counts(deployment: Object, fleet: Fleet, now: datetime) -> Object:
    """The status with its counts and whether enough pods are available; other conditions as they were."""
    statuses = [one.get("status") or {} for one in fleet.all]
    old = deployment.get("status") or {}
    ready = sum(counted(one, "readyReplicas") for one in statuses)
    available = sum(counted(one, "availableReplicas") for one in statuses)
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": sum(counted(one, "replicas") for one in statuses),
        "updatedReplicas": counted(fleet.new.get("status") or {}, "replicas") if fleet.new else 0,
        "readyReplicas": ready,
        "availableReplicas": available,
        "unavailableReplicas": max(0, sum(map(replicas, fleet.all)) - available),
    }
    status: Object = {key: value for key, value in counts.items() if value}
    status["terminatingReplicas"] = sum(counted(one, "terminatingReplicas") for one in statuses)
    if old.get("collisionCount") is not None:
        status["collisionCount"] = old["collisionCount"]
    enough = available >= replicas(deployment) - bounds_of(deployment).unavailable
    reason = "MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable"
    text = f"Deployment {'has' if enough else 'does not have'} minimum availability."
    told = condition(AVAILABLE, enough, reason, text, now)
    status["conditions"] = set_condition(old.get("conditions") or [], told)
    return status


def is_complete(deployment: Object, status: Object) -> bool:
    """All pods are of the new template and available, and no old ones are left."""
    wanted = replicas(deployment)
    counts = ("updatedReplicas", "replicas", "availableReplicas")
    seen = counted(status, "observedGeneration") >= deployment["metadata"].get("generation", 0)
    return seen and all(counted(status, name) == wanted for name in counts)


def has_progressed(old: Object, new: Object) -> bool:
    """More new, ready or available pods than before, or fewer old ones.

    >>> has_progressed({"replicas": 3, "updatedReplicas": 1}, {"replicas": 2, "updatedReplicas": 1})
    True
    """
    former = counted(old, "replicas") - counted(old, "updatedReplicas")
    left = counted(new, "replicas") - counted(new, "updatedReplicas")
    grew = any(counted(new, name) > counted(old, name) for name in ("updatedReplicas", "readyReplicas"))
    return grew or left < former or counted(new, "availableReplicas") > counted(old, "availableReplicas")


def is_late(deployment: Object, now: datetime) -> bool:
    """Nothing moved for longer than the deadline."""
    limit, known = deadline(deployment), _progressing(deployment)
    if limit is None or known is None or known.get("reason") == DONE:
        return False
    if known.get("reason") == LATE:
        return True
    return from_text(known["lastUpdateTime"]) + timedelta(seconds=limit) < now


def plan_status(deployment: Object, fleet: Fleet, now: datetime) -> Object:
    """The status of a Deployment that rolls out or has done so."""
    old, status = deployment.get("status") or {}, plan_counts(deployment, fleet, now)
    told, known = status["conditions"], _progressing(deployment)
    finished = counted(status, "replicas") == counted(status, "updatedReplicas") and (known or {}).get("reason") == DONE
    if deadline(deployment) is None:
        told = conditions.without(told, PROGRESSING)
    elif not finished:
        who = f'ReplicaSet "{meta.name(fleet.new)}"' if fleet.new else f'Deployment "{meta.name(deployment)}"'
        if is_complete(deployment, status):
            told = set_condition(told, condition(PROGRESSING, True, DONE, f"{who} has successfully progressed.", now))
        elif has_progressed(old, status):
            told = _moving(told, condition(PROGRESSING, True, MOVING, f"{who} is progressing.", now))
        elif is_late(deployment, now):
            told = set_condition(told, condition(PROGRESSING, False, LATE, f"{who} has timed out progressing.", now))
    return {**status, "conditions": _with_failures(told, fleet)}


def _moving(told: Sequence[Object], new: Object) -> list[Object]:
    """The time of the last progress counts, so this one is always written anew."""
    old = conditions.find(told, PROGRESSING)
    if old is not None and old.get("status") == new["status"]:
        new = {**new, "lastTransitionTime": old.get("lastTransitionTime")}
    return [*conditions.without(told, PROGRESSING), new]


def _with_failures(told: Sequence[Object], fleet: Fleet) -> list[Object]:
    """What hinders a ReplicaSet hinders the Deployment: the new one's trouble before that of others."""
    found = conditions.without(told, FAILURE)
    for one in ([fleet.new] if fleet.new else []) + fleet.old:
        failure = conditions.find((one.get("status") or {}).get("conditions"), FAILURE)
        if failure is not None:
            known = {**failure, "lastUpdateTime": failure.get("lastTransitionTime")}
            return set_condition(list(told), known)
    return found


def check_again(deployment: Object, status: Object, now: datetime) -> float | None:
    """Seconds until the deadline has to be looked at; None: not by time."""
    limit = deadline(deployment)
    known = conditions.find(status.get("conditions"), PROGRESSING)
    if limit is None or known is None or known.get("reason") in (LATE, DONE) or is_complete(deployment, status):
        return None
    left = from_text(known["lastUpdateTime"]) + timedelta(seconds=limit + 1) - now
    return max(0.0, left.total_seconds())


def plan_paused(deployment: Object, now: datetime) -> Object | None:
    """The condition that pausing or resuming asks for; None: all said.

    A Deployment that was late stays so: whoever waits for it must not wait again.
    """
    if deadline(deployment) is None:
        return None
    reason = (_progressing(deployment) or {}).get("reason")
    if reason == LATE:
        return None
    paused = bool(deployment["spec"].get("paused"))
    if paused and reason != PAUSED:
        return condition(PROGRESSING, "Unknown", PAUSED, "Deployment is paused", now)
    if not paused and reason == PAUSED:
        return condition(PROGRESSING, "Unknown", RESUMED, "Deployment is resumed", now)
    return None


def _progressing(deployment: Object) -> Object | None:
    return conditions.find((deployment.get("status") or {}).get("conditions"), PROGRESSING)
