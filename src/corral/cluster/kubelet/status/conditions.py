"""A pod's conditions: from the states of its containers to the sentences that people read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

Object = dict[str, Any]

OWN: Final = (
    "PodReadyToStartContainers",
    "Initialized",
    "Ready",
    "ContainersReady",
    "PodResizePending",
    "PodResizeInProgress",
)


def condition(kind: str, status: bool, reason: str = "", message: str = "") -> Object:
    found: Object = {"type": kind, "status": "True" if status else "False"}
    return found | ({"reason": reason} if reason else {}) | ({"message": message} if message else {})


def plan_initialized(spec: Object, statuses: Sequence[Object], phase: str) -> Object:
    """`statuses` of the init containers and of the others.

    >>> spec = {"initContainers": [{"name": "i"}]}
    >>> plan_initialized(spec, [{"name": "i", "ready": False}], "Pending")["message"]
    'containers with incomplete status: [i]'
    """
    known = {one["name"]: one for one in statuses}
    inits = spec.get("initContainers") or ()
    missing = [one["name"] for one in inits if one["name"] not in known]
    if phase == "Succeeded" and not missing:
        return condition("Initialized", True, "PodCompleted")
    mains = (known.get(one["name"], {}) for one in spec.get("containers", ()))
    if any("running" in one.get("state", {}) or one.get("lastState") or _has_ended(one) for one in mains):
        return condition("Initialized", True)
    undone = [one["name"] for one in inits if one["name"] in known and not _is_done(one, known[one["name"]])]
    message = _told(missing, "unknown", undone, "incomplete")
    return condition("Initialized", not message, "ContainersNotInitialized" if message else "", message)


def _has_ended(status: Object) -> bool:
    return "terminated" in status.get("state", {})


def _is_done(spec: Object, status: Object) -> bool:
    return bool(status.get("started") if spec.get("restartPolicy") == "Always" else status.get("ready"))


def plan_containers_ready(spec: Object, statuses: Sequence[Object], phase: str) -> Object:
    """
    >>> spec = {"containers": [{"name": "a"}, {"name": "b"}]}
    >>> plan_containers_ready(spec, [{"name": "a", "ready": False}, {"name": "b", "ready": True}], "Running")["message"]
    'containers with unready status: [a]'
    """
    known = {one["name"]: one for one in statuses}
    lasting = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    names = [one["name"] for one in (*lasting, *spec.get("containers", ()))]
    missing = [name for name in names if name not in known]
    if phase == "Succeeded" and not missing:
        return condition("ContainersReady", False, "PodCompleted")
    if phase == "Failed":
        return condition("ContainersReady", False, "PodFailed")
    message = _told(missing, "unknown", [n for n in names if n in known and not known[n].get("ready")], "unready")
    return condition("ContainersReady", not message, "ContainersNotReady" if message else "", message)


def _told(missing: Sequence[str], word: str, unready: Sequence[str], other: str) -> str:
    parts = [f"containers with {word} status: [{' '.join(missing)}]"] if missing else []
    parts += [f"containers with {other} status: [{' '.join(unready)}]"] if unready else []
    return ", ".join(parts)


def plan_ready(spec: Object, containers_ready: Object, others: Iterable[Object]) -> Object:
    """`others`: the conditions that somebody else has set, among them those of readiness gates.

    >>> gate = {"readinessGates": [{"conditionType": "x.org/up"}]}
    >>> plan_ready(gate, {"status": "True"}, [])["message"]
    'corresponding condition of pod readiness gate "x.org/up" does not exist.'
    """
    if containers_ready["status"] != "True":
        return {**containers_ready, "type": "Ready"}
    known = {one["type"]: one["status"] for one in others}
    told = []
    for gate in spec.get("readinessGates") or ():
        kind = gate["conditionType"]
        if kind not in known:
            told.append(f'corresponding condition of pod readiness gate "{kind}" does not exist.')
        elif known[kind] != "True":
            told.append(f'the status of pod readiness gate "{kind}" is not "True", but {known[kind]}')
    return condition("Ready", not told, "ReadinessGatesNotReady" if told else "", ", ".join(told))


def merge(before: Sequence[Object], mine: Sequence[Object], generation: int, now: str) -> list[Object]:
    """Mine, then those of others as they are. A time changes only with the status.

    >>> old = [{"type": "Ready", "status": "True", "lastTransitionTime": "t0"}, {"type": "x", "status": "True"}]
    >>> [(one["type"], one.get("lastTransitionTime")) for one in merge(old, [condition("Ready", True)], 1, "t1")]
    [('Ready', 't0'), ('x', None)]
    """
    known = {one["type"]: one for one in before}
    made = []
    for one in mine:
        old = known.get(one["type"], {})
        same = old.get("status") == one["status"]
        since = old.get("lastTransitionTime") if same else None
        numbered = {"observedGeneration": generation} if generation else {}
        made.append({**one, **numbered, "lastProbeTime": None, "lastTransitionTime": since or now})
    names = {one["type"] for one in mine}
    return made + [one for one in before if one["type"] not in names]
