"""What is to be made of a node. Pure. Follows k8s.io/kubernetes/pkg/controller/nodelifecycle."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.client.protocol import Object
from corral.cluster.controllers.conditions import find, is_true
from corral.model.kubernetes.taints import NO_EXECUTE, NO_SCHEDULE

GRACE_SECONDS: Final = 40.0
STARTUP_SECONDS: Final = 60.0  # for a node that has never said anything

MOST_LOST: Final = 0.55  # of the nodes
EVICTION_SECONDS: Final = 10.0  # between one node whose pods are driven out, and the next

PREFIX: Final = "node.kubernetes.io/"
NOT_READY: Final = PREFIX + "not-ready"
UNREACHABLE: Final = PREFIX + "unreachable"
UNSCHEDULABLE: Final = PREFIX + "unschedulable"
_FROM_CONDITION: Final = {
    "MemoryPressure": PREFIX + "memory-pressure",
    "DiskPressure": PREFIX + "disk-pressure",
    "PIDPressure": PREFIX + "pid-pressure",
    "NetworkUnavailable": PREFIX + "network-unavailable",
}
_MANAGED: Final = {NOT_READY, UNREACHABLE, UNSCHEDULABLE, *_FROM_CONDITION.values()}
_TOLD_BY_KUBELET: Final = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")

Taint = dict[str, Any]


def may_evict(ready: int, nodes: int) -> bool:
    """Whether pods are driven out at all. When most nodes seem lost at once, it is more likely that this process does
    not hear them; and when none is ready, pods have nowhere to go.

    >>> [may_evict(*one) for one in ((0, 1), (1, 2), (5, 10), (4, 10))]
    [False, True, True, False]
    """
    lost = nodes - ready
    return ready > 0 and not (lost > 2 and lost / nodes >= MOST_LOST)


def grace_of(node: Object) -> float:
    """For how many seconds nothing needs to be heard of a node."""
    ready = find((node.get("status") or {}).get("conditions"), "Ready")
    return STARTUP_SECONDS if ready is None else GRACE_SECONDS


def readiness(node: Object) -> str:
    """True, False or Unknown.

    >>> readiness({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}), readiness({})
    ('False', 'Unknown')
    """
    found = find((node.get("status") or {}).get("conditions"), "Ready")
    return str(found["status"]) if found is not None else "Unknown"


def plan_silence(node: Object, moment: str) -> Object | None:
    """A node that has been silent for too long, with what is no longer known of it; None when it says so already.

    >>> node = {"metadata": {}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    >>> ready = plan_silence(node, "now")["status"]["conditions"][0]
    >>> ready["status"], ready["reason"], ready["message"]
    ('Unknown', 'NodeStatusUnknown', 'Kubelet stopped posting node status.')
    """
    status = node.get("status") or {}
    conditions = list(status.get("conditions") or ())
    for kind in _TOLD_BY_KUBELET:
        found = find(conditions, kind)
        if found is None:
            conditions.append(_never_told(node, kind, moment))
        elif found["status"] != "Unknown":
            unknown = {
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": moment,
            }
            conditions[conditions.index(found)] = {**found, **unknown}
    if conditions == (status.get("conditions") or []):
        return None
    return {**node, "status": {**status, "conditions": conditions}}


def _never_told(node: Object, kind: str, moment: str) -> Object:
    return {
        "type": kind,
        "status": "Unknown",
        "reason": "NodeStatusNeverUpdated",
        "message": "Kubelet never posted node status.",
        "lastHeartbeatTime": node["metadata"].get("creationTimestamp", moment),
        "lastTransitionTime": moment,
    }


def plan_taints(node: Object, moment: str, *, evict: bool) -> Object | None:
    """The node with the taints that its conditions ask for; None when it has them. Other taints stay.

    `evict` False: no pod is driven out (`may_evict`).

    >>> lost = {"metadata": {}, "spec": {}, "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}
    >>> [(one["key"], one["effect"]) for one in plan_taints(lost, "now", evict=True)["spec"]["taints"]]
    [('node.kubernetes.io/unreachable', 'NoSchedule'), ('node.kubernetes.io/unreachable', 'NoExecute')]
    """
    before = list(node["spec"].get("taints") or ())
    wanted = _wanted(node, evict)
    kept = [one for one in before if one["key"] not in _MANAGED or (one["key"], one["effect"]) in wanted]
    has = {(one["key"], one["effect"]) for one in kept}
    added = [{"key": key, "effect": effect, "timeAdded": moment} for key, effect in wanted if (key, effect) not in has]
    if not added and len(kept) == len(before):
        return None
    spec = {key: value for key, value in node["spec"].items() if key != "taints"}
    taints = [*kept, *added]
    return {**node, "spec": {**spec, "taints": taints} if taints else spec}


def is_driven_out(node: Object) -> bool:
    """Whether a node's pods have to go because it is lost."""
    found = node["spec"].get("taints") or ()
    return any(one["key"] in (NOT_READY, UNREACHABLE) and one["effect"] == NO_EXECUTE for one in found)


def _wanted(node: Object, evict: bool) -> list[tuple[str, str]]:
    conditions = (node.get("status") or {}).get("conditions")
    found = []
    bad = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(readiness(node))
    if bad is not None and find(conditions, "Ready") is not None:
        found.append((bad, NO_SCHEDULE))
        if evict:
            found.append((bad, NO_EXECUTE))
    found += [(key, NO_SCHEDULE) for kind, key in _FROM_CONDITION.items() if is_true(conditions, kind)]
    if node["spec"].get("unschedulable"):
        found.append((UNSCHEDULABLE, NO_SCHEDULE))
    return found
