"""How `kubectl get pods` tells a pod's state in one word. Pure. Follows printPod of pkg/printers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from corral.model.kubernetes.kind import Column, Object
from corral.model.kubernetes.kinds.ages import human_duration, parse_time
from corral.model.kubernetes.kinds.cells import AGE, NONE, at, column, wide
from corral.model.kubernetes.kinds.core.pod_spec.scope import is_sidecar
from corral.model.kubernetes.kinds.fields import flag, has, metadata, number, objects, part, text

_NEVER = datetime.min.replace(tzinfo=UTC)
_OVER = ("Succeeded", "Failed")


class Seen(NamedTuple):
    """What the containers' statuses add up to. `restarted`: when a container last ended before its present run."""

    ready: int
    restarts: int
    restarted: datetime
    reason: str


def pod_reason(pod: Object) -> str:
    """Pure: the word in the column Status.

    >>> waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}}
    >>> pod_reason({"status": {"phase": "Running", "containerStatuses": [waiting]}})
    'CrashLoopBackOff'
    """
    return _look(pod).reason


def _look(pod: Object) -> Seen:
    status = part(pod, "status")
    seen, initializing = _init_containers(pod, _first_reason(status))
    if not initializing or _condition(status, "Initialized"):
        seen = _containers(pod, seen)
    if has(metadata(pod), "deletionTimestamp"):
        if text(status, "reason") == "NodeLost":
            return seen._replace(reason="Unknown")
        if text(status, "phase") not in _OVER:
            return seen._replace(reason="Terminating")
    return seen


def _first_reason(status: Object) -> str:
    for one in objects(status, "conditions"):
        if text(one, "type") == "PodScheduled" and text(one, "reason") == "SchedulingGated":
            return "SchedulingGated"
    return text(status, "reason") or text(status, "phase")


def _condition(status: Object, kind: str) -> bool:
    found = next((one for one in objects(status, "conditions") if text(one, "type") == kind), {})
    return text(found, "status") == "True"


def _ended(status: Object) -> datetime:
    """When the last run before this one ended."""
    return parse_time(part(status, "lastState", "terminated").get("finishedAt")) or _NEVER


def _init_containers(pod: Object, reason: str) -> tuple[Seen, bool]:
    """What is seen of them, and whether they are still at work. Of the restarts, those of sidecars remain later on."""
    specs = {text(one, "name"): one for one in objects(part(pod, "spec"), "initContainers")}
    everyone, sidecars = (0, _NEVER), (0, _NEVER)
    ready = 0
    for index, one in enumerate(objects(part(pod, "status"), "initContainerStatuses")):
        sidecar = is_sidecar(specs.get(text(one, "name"), {}))
        everyone = everyone[0] + number(one, "restartCount"), max(everyone[1], _ended(one))
        if sidecar:
            sidecars = sidecars[0] + number(one, "restartCount"), max(sidecars[1], _ended(one))
        terminated = part(one, "state").get("terminated")
        if isinstance(terminated, dict) and not number(terminated, "exitCode"):
            continue
        if sidecar and flag(one, "started"):
            ready += flag(one, "ready")
            continue
        return Seen(ready, *everyone, _init_reason(one, index, len(specs))), True
    return Seen(ready, *sidecars, reason), False


def _init_reason(status: Object, index: int, count: int) -> str:
    terminated, waiting = part(status, "state").get("terminated"), text(part(status, "state", "waiting"), "reason")
    if isinstance(terminated, dict):
        return f"Init:{text(terminated, 'reason') or _exit(terminated)}"
    if waiting and waiting != "PodInitializing":
        return f"Init:{waiting}"
    return f"Init:{index}/{count}"


def _exit(terminated: Object) -> str:
    signal = number(terminated, "signal")
    return f"Signal:{signal}" if signal else f"ExitCode:{number(terminated, 'exitCode')}"


def _containers(pod: Object, before: Seen) -> Seen:
    status = part(pod, "status")
    restarts, restarted = _sidecar_restarts(pod)
    ready, reason, running = before.ready, before.reason, False
    for one in reversed(objects(status, "containerStatuses")):
        restarts += number(one, "restartCount")
        restarted = max(restarted, _ended(one))
        state = part(one, "state")
        waiting, terminated = text(part(state, "waiting"), "reason"), state.get("terminated")
        if waiting:
            reason = waiting
        elif isinstance(terminated, dict):
            reason = text(terminated, "reason") or _exit(terminated)
        elif flag(one, "ready") and has(state, "running"):
            running = True
            ready += 1
    if reason == "Completed" and running:
        reason = "Running" if _condition(status, "Ready") else "NotReady"
    return Seen(ready, restarts, restarted, reason)


def _sidecar_restarts(pod: Object) -> tuple[int, datetime]:
    sidecars = {text(one, "name") for one in objects(part(pod, "spec"), "initContainers") if is_sidecar(one)}
    found = [one for one in objects(part(pod, "status"), "initContainerStatuses") if text(one, "name") in sidecars]
    return sum(number(one, "restartCount") for one in found), max(map(_ended, found), default=_NEVER)


def _ready(pod: Object) -> str:
    spec = part(pod, "spec")
    total = len(objects(spec, "containers")) + sum(map(is_sidecar, objects(spec, "initContainers")))
    return f"{_look(pod).ready}/{total}"


def _restarts(pod: Object, now: datetime) -> str:
    seen = _look(pod)
    if seen.restarts and seen.restarted != _NEVER:
        return f"{seen.restarts} ({human_duration(now - seen.restarted)} ago)"
    return str(seen.restarts)


def _address(pod: Object) -> str:
    addresses = objects(part(pod, "status"), "podIPs")
    return (text(addresses[0], "ip") if addresses else "") or NONE


def _gates(pod: Object) -> str:
    gates = objects(part(pod, "spec"), "readinessGates")
    met = sum(_condition(part(pod, "status"), text(gate, "conditionType")) for gate in gates)
    return f"{met}/{len(gates)}" if gates else NONE


COLUMNS = (
    column("Ready", _ready),
    column("Status", pod_reason),
    Column("Restarts", _restarts),
    AGE,
    wide("IP", _address),
    wide("Node", lambda pod: at("spec", "nodeName")(pod) or NONE),
    wide("Nominated Node", lambda pod: at("status", "nominatedNodeName")(pod) or NONE),
    wide("Readiness Gates", _gates),
)
