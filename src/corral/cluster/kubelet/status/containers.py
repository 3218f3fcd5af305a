"""The status of one container: its state now, and how its last run ended. Pure."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.kubelet.lifecycle.view import Waiting
from corral.cluster.kubelet.naming import Attempt
from corral.cluster.kubelet.pods import Member
from corral.cluster.kubelet.status.facts import Facts
from corral.cluster.kubelet.times import rfc3339

Object = dict[str, Any]

RUNTIME: Final = "corral"


def container_id(id: str) -> str:
    return f"{RUNTIME}://{id}"


def running(attempt: Attempt) -> Object:
    return {"running": {"startedAt": rfc3339(attempt.started)}}


def terminated(attempt: Attempt, message: str = "") -> Object:
    """
    >>> ended = Attempt("f00", "a", 0, "ended", "s", started=10**9, finished=2 * 10**9, code=137, oom=True)
    >>> terminated(ended)["terminated"]["reason"], terminated(ended._replace(code=0, oom=False))["terminated"]["reason"]
    ('OOMKilled', 'Completed')
    >>> terminated(Attempt("f00", "a", 0, "ended", "s", code=128, error="no such file"))["terminated"]["reason"]
    'StartError'
    """
    reason = "OOMKilled" if attempt.oom else "Completed" if attempt.code == 0 else "Error"
    if attempt.error and not attempt.started:
        reason = "StartError"
    told = message or attempt.error
    found: Object = {
        "exitCode": attempt.code,
        "reason": reason,
        "startedAt": rfc3339(attempt.started),
        "finishedAt": rfc3339(attempt.finished),
        "containerID": container_id(attempt.id),
    }
    return {"terminated": found | ({"message": told} if told else {})}


def waiting(why: Waiting) -> Object:
    return {"waiting": {"reason": why.reason} | ({"message": why.message} if why.message else {})}


def plan_container(one: Member, facts: Facts, default: str, volumes: list[Object]) -> Object:
    """`default` is why a container that has not been started yet waits; `volumes` its mounts, as the status shows them.

    >>> from corral.cluster.kubelet.lifecycle.view import View
    >>> one = Member("main", {"name": "a", "image": "x"})
    >>> plan_container(one, Facts(View(0)), "ContainerCreating", [])["state"]
    {'waiting': {'reason': 'ContainerCreating'}}
    """
    view = facts.view
    attempts = view.attempts.get(one.name, [])
    last = attempts[-1] if attempts else None
    why = facts.waiting.get(one.name)
    state, before = _states(one, attempts, why, facts, default)
    current = last if last is not None and last.state != "made" else None
    alive = last is not None and last.running
    found: Object = {
        "name": one.name,
        "state": state,
        "lastState": before,
        "ready": _is_ready(one, last, facts),
        "restartCount": last.number if last else 0,
        "image": one.spec["image"] if last is None else facts.images.get(last.id, last.image),
        "imageID": "" if last is None else facts.image_ids.get(last.id, last.image_id),
        "started": bool(alive and last is not None and last.id in view.started),
    }
    if current is not None:
        found["containerID"] = container_id(current.id)
    if volumes:
        found["volumeMounts"] = volumes
    if alive and last is not None and last.id in facts.resources:
        found |= facts.resources[last.id]
    return found


def _states(
    one: Member, attempts: list[Attempt], why: Waiting | None, facts: Facts, default: str
) -> tuple[Object, Object]:
    """(state, lastState)"""
    last = attempts[-1] if attempts else None
    ended = [attempt for attempt in attempts if attempt.ended]
    if last is not None and last.running:
        return running(last), _shown(ended[-1] if ended else None, facts)
    if why is not None and not facts.over:
        return waiting(why), _shown(ended[-1] if ended else None, facts)
    if last is not None and last.ended:
        return _shown(last, facts), _shown(ended[-2] if len(ended) > 1 else None, facts)
    return waiting(why or Waiting(default)), _shown(ended[-1] if ended else None, facts)


def _shown(attempt: Attempt | None, facts: Facts) -> Object:
    return {} if attempt is None else terminated(attempt, facts.messages.get(attempt.id, ""))


def _is_ready(one: Member, last: Attempt | None, facts: Facts) -> bool:
    """An init container is ready when it is done; others while they run, have started and their probe says so."""
    if last is None:
        return False
    if one.kind == "init":
        return last.ended and last.code == 0
    return last.running and last.id in facts.view.started and last.id in facts.ready
