"""What a pod's status says of its scheduling. Pure."""

from __future__ import annotations

from typing import Any, Final

Object = dict[str, Any]

SCHEDULED: Final = "PodScheduled"
DEVICES: Final = "DynamicResources"  # the plugin that looks at claims of devices
# Of a pod that another plugin rejects before nodes and claims of devices are looked at. Upstream's DynamicResources is
# asked next and does not find what it would have noted: these are its words, and the last.
NOT_NOTED: Final = "not found"


def plan_status(pod: Object, reason: str, message: str, nominated: str | None, now: str) -> Object | None:
    """The patch of the status, None if it says so already. `nominated`: None leaves it, "" takes it away.

    >>> found = plan_status({"metadata": {}}, "Unschedulable", "0/1 nodes are available.", None, "2026-01-02T03:04:05Z")
    >>> found["status"]["conditions"][0]["reason"], "nominatedNodeName" in found["status"]
    ('Unschedulable', False)
    """
    status = pod.get("status") or {}
    old: Object = next((one for one in status.get("conditions") or () if one.get("type") == SCHEDULED), {})
    changes: Object = {}
    if (old.get("status"), old.get("reason"), old.get("message")) != ("False", reason, message):
        since = old.get("lastTransitionTime") if old.get("status") == "False" else None
        condition = {"type": SCHEDULED, "status": "False", "reason": reason, "message": message}
        generation = pod["metadata"].get("generation")
        observed = {"observedGeneration": generation} if generation else {}
        changes["conditions"] = [{**condition, **observed, "lastProbeTime": None, "lastTransitionTime": since or now}]
    if nominated is not None and nominated != (status.get("nominatedNodeName") or ""):
        changes["nominatedNodeName"] = nominated or None
    return {"status": changes} if changes else None


def plan_victim(scheduler: str, now: str) -> Object:
    """The patch that tells why a pod is going to be deleted."""
    condition = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "PreemptionByScheduler",
        "message": f"{scheduler}: preempting to accommodate a higher priority pod",
        "lastProbeTime": None,
        "lastTransitionTime": now,
    }
    return {"status": {"conditions": [condition]}}


def plan_words(*, wants: bool, rejected: bool, given_back: bool, left: bool = False) -> str:
    """What is said of the claims of devices of a pod that fits nowhere, also of one that does not want any. `rejected`:
    for its claims, before any node was looked at; `given_back`: a claim, whose devices the pod cannot reach, or one
    that was `left` of an earlier try.

    >>> plan_words(wants=False, rejected=False, given_back=False)
    'no new claims to deallocate'
    >>> plan_words(wants=True, rejected=False, given_back=True, left=True)
    'deletion of ResourceClaim completed'
    """
    if given_back:
        return f"{'deletion' if left else 'deallocation'} of ResourceClaim completed"
    return "still not schedulable" if wants and not rejected else "no new claims to deallocate"
