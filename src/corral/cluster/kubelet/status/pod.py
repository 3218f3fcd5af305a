"""The whole status of a pod. Pure."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.kubelet.lifecycle.preemption import REASON
from corral.cluster.kubelet.lifecycle.view import Waiting
from corral.cluster.kubelet.pods import Member, is_terminal, members
from corral.cluster.kubelet.status.conditions import (
    OWN,
    condition,
    merge,
    plan_containers_ready,
    plan_initialized,
    plan_ready,
)
from corral.cluster.kubelet.status.containers import plan_container
from corral.cluster.kubelet.status.facts import Facts
from corral.cluster.kubelet.status.phase import plan_phase
from corral.cluster.kubelet.times import rfc3339

Object = dict[str, Any]

RESIZES: Final = ("PodResizePending", "PodResizeInProgress")
FIELDS: Final = {
    "init": "initContainerStatuses",
    "main": "containerStatuses",
    "ephemeral": "ephemeralContainerStatuses",
}


def plan_status(pod: Object, facts: Facts) -> Object:
    """The pod's status as it is to be from what it was and what is known now.

    >>> from corral.cluster.kubelet.lifecycle.view import View
    >>> pod = {"metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "image": "x"}]}}
    >>> made = plan_status(pod, Facts(View(0)))
    >>> made["phase"], [(one["type"], one["status"]) for one in made["conditions"]][:3]
    ('Pending', [('PodReadyToStartContainers', 'False'), ('Initialized', 'True'), ('Ready', 'False')])
    """
    before, view = pod.get("status") or {}, facts.view
    phase = "Failed" if facts.failure and facts.over else plan_phase(pod, view, over=facts.over)
    if before.get("phase") in ("Succeeded", "Failed"):
        phase = before["phase"]
    now = rfc3339(view.now)
    found = {key: value for key, value in before.items() if key not in (*FIELDS.values(), "message", "reason")}
    lists = _statuses(pod, facts)
    statuses = [one for some in lists.values() for one in some]
    if facts.failure and not view.attempts and not is_terminal(pod):  # not let in: nothing of it has been looked at
        lists, statuses = {}, []
    mine = _conditions(pod, statuses, facts, phase)
    kept = [one for one in before.get("conditions") or () if one["type"] not in RESIZES]
    found |= {FIELDS[kind]: some for kind, some in lists.items() if some}
    generation = int(pod["metadata"].get("generation") or 0)
    found["phase"] = phase
    found["conditions"] = merge(kept, mine, generation, now)
    found.setdefault("startTime", now)
    if generation:
        found["observedGeneration"] = generation
    found |= _told(facts.failure if facts.over else None, before, phase)
    return found | _addresses(before, facts)


def _told(failure: Waiting | None, before: Object, phase: str) -> Object:
    """Why it failed: what was said once stays."""
    if failure is not None:
        return {"reason": failure.reason, "message": failure.message}
    kept = {key: before[key] for key in ("reason", "message") if before.get(key)}
    return kept if phase == "Failed" else {}


def _addresses(before: Object, facts: Facts) -> Object:
    found: Object = {}
    ips = facts.ips or tuple(one["ip"] for one in before.get("podIPs") or ())
    if facts.host_ips:
        found |= {"hostIP": facts.host_ips[0], "hostIPs": [{"ip": ip} for ip in facts.host_ips]}
    if ips:
        found |= {"podIP": ips[0], "podIPs": [{"ip": ip} for ip in ips]}
    return found


def _statuses(pod: Object, facts: Facts) -> dict[str, list[Object]]:
    lists: dict[str, list[Object]] = {"init": [], "main": [], "ephemeral": []}
    initializing = _is_initializing(pod, facts)
    for one in members(pod):
        if is_terminal(pod) and not facts.view.attempts.get(one.name):  # of what was taken away the last word stays
            lists["init" if one.kind == "sidecar" else one.kind] += _said(pod, one)
            continue
        default = "PodInitializing" if one.kind == "main" and initializing else "ContainerCreating"
        if one.kind == "init" or one.kind == "sidecar":
            default = "PodInitializing"
        made = plan_container(one, facts, default, plan_volumes(one))
        if one.kind == "ephemeral":
            del made["started"]
        lists["init" if one.kind == "sidecar" else one.kind].append(made)
    return lists


def _said(pod: Object, one: Member) -> list[Object]:
    known = (pod.get("status") or {}).get(FIELDS["init" if one.kind == "sidecar" else one.kind]) or ()
    return [each for each in known if each["name"] == one.name]


def _is_initializing(pod: Object, facts: Facts) -> bool:
    for one in members(pod):
        last = facts.view.last(one.name)
        if one.kind == "init" and not (last is not None and last.ended and last.code == 0):
            return True
        if one.kind == "sidecar" and not (last is not None and last.id in facts.view.started):
            return True
    return False


def plan_volumes(one: Member) -> list[Object]:
    """The mounts as a container's status shows them.

    >>> mount = {"name": "v", "mountPath": "/v", "readOnly": True}
    >>> plan_volumes(Member("main", {"name": "a", "volumeMounts": [mount]}))
    [{'name': 'v', 'mountPath': '/v', 'readOnly': True, 'recursiveReadOnly': 'Disabled'}]
    """
    found = []
    for mount in one.spec.get("volumeMounts") or ():
        shown: Object = {"name": mount["name"], "mountPath": mount["mountPath"]}
        if mount.get("readOnly"):
            wanted = mount.get("recursiveReadOnly") or "Disabled"
            shown |= {"readOnly": True, "recursiveReadOnly": "Enabled" if wanted != "Disabled" else "Disabled"}
        found.append(shown)
    return found


def _conditions(pod: Object, statuses: list[Object], facts: Facts, phase: str) -> list[Object]:
    spec = pod["spec"]
    before = (pod.get("status") or {}).get("conditions") or ()
    ready = plan_containers_ready(spec, statuses, phase)
    others = [one for one in before if one["type"] not in OWN]
    mine = [
        condition("PodReadyToStartContainers", bool(facts.view.space)),
        plan_initialized(spec, statuses, phase),
        plan_ready(spec, ready, others),
        ready,
    ]
    if not any(one["type"] == "PodScheduled" for one in before):
        mine.append(condition("PodScheduled", True))
    if facts.failure is not None and facts.disrupted:
        mine.append(condition("DisruptionTarget", True, "TerminationByKubelet", _disrupted(facts.failure)))
    return mine + plan_resizes(facts)


def _disrupted(failure: Waiting) -> str:
    made_room = "Pod was preempted by Kubelet to accommodate a critical pod."
    return made_room if failure.reason == REASON else failure.message


def plan_resizes(facts: Facts) -> list[Object]:
    """
    >>> from corral.cluster.kubelet.lifecycle.view import View
    >>> plan_resizes(Facts(View(0), resizing=True))
    [{'type': 'PodResizeInProgress', 'status': 'True'}]
    """
    found = []
    if facts.pending is not None:
        found.append(condition("PodResizePending", True, facts.pending.reason, facts.pending.message))
    if facts.resizing:
        reason = "Error" if facts.resize_error else ""
        found.append(condition("PodResizeInProgress", True, reason, facts.resize_error))
    return found
