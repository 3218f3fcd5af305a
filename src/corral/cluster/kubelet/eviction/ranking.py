"""Which pod goes first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from corral.cluster.kubelet.containers.limits import pod_request, qos_class
from corral.cluster.kubelet.pods import MIRROR
from corral.model.kubernetes.taints import NO_SCHEDULE, Taint, tolerated, tolerations_of

Object = dict[str, Any]

CRITICAL: Final = 2_000_000_000  # the priority of what the cluster or the node cannot do without
SOURCE: Final = "kubernetes.io/config.source"
MEMORY_TAINT: Final = Taint("node.kubernetes.io/memory-pressure", "", NO_SCHEDULE)


class Use(NamedTuple):
    """What a pod uses of a resource, and by container."""

    total: int
    containers: Mapping[str, int] = {}


def is_critical(pod: Object) -> bool:
    """Neither evicted nor refused: static pods, and those whose priority says so.

    >>> is_critical({"metadata": {"annotations": {SOURCE: "file"}}, "spec": {}})
    True
    >>> is_critical({"metadata": {}, "spec": {"priority": 7}})
    False
    """
    notes = pod["metadata"].get("annotations") or {}
    if MIRROR in notes or notes.get(SOURCE, "api") != "api":
        return True
    return int(pod["spec"].get("priority") or 0) >= CRITICAL


def requested(pod: Object, resource: str) -> int:
    """What all containers of the pod ask for together. Nobody asks for inodes or processes.

    >>> requested({"spec": {"containers": [{"resources": {"requests": {"memory": "1Ki"}}}, {}]}}, "memory")
    1024
    """
    if resource not in ("memory", "ephemeral-storage"):
        return 0
    return pod_request(pod, resource)


def plan_ranking(pods: Iterable[Object], uses: Mapping[str, Use], resource: str) -> list[Object]:
    """First who uses more than was asked for, then the lower priority, then who is further beyond what was asked for.

    Critical pods are left out. Of processes nobody asks for any: the priority decides, then how many there are. A pod
    that could not be measured goes before others.

    >>> asks = {"resources": {"requests": {"memory": "100"}}}
    >>> made = lambda uid, priority: {"metadata": {"uid": uid}, "spec": {"containers": [asks], "priority": priority}}
    >>> pods = [made("a", 0), made("b", 9)]
    >>> [one["metadata"]["uid"] for one in plan_ranking(pods, {"a": Use(50), "b": Use(150)}, "memory")]
    ['b', 'a']
    """

    def place(pod: Object) -> tuple[bool, bool, int, int]:
        use = uses.get(pod["metadata"]["uid"])
        priority = int(pod["spec"].get("priority") or 0)
        if use is None:
            return False, False, priority, 0
        beyond = use.total - requested(pod, resource)
        return True, resource != "pids" and beyond <= 0, priority, -beyond

    return sorted((pod for pod in pods if not is_critical(pod)), key=place)


def plan_refusal(pod: Object, conditions: Iterable[str]) -> str:
    """Why a node that runs short does not take a pod, "" where it does: critical ones always; when only memory is
    short, those that ask for some, and those that tolerate it.

    >>> pod = {"metadata": {}, "spec": {"containers": [{}]}}
    >>> plan_refusal(pod, ["MemoryPressure"]), plan_refusal(pod, [])
    ('The node had condition: [MemoryPressure]. ', '')
    """
    found = sorted(conditions)
    if not found or is_critical(pod):
        return ""
    guarded = qos_class(pod) != "BestEffort" or tolerated(MEMORY_TAINT, tolerations_of(pod["spec"]))
    if found == ["MemoryPressure"] and guarded:
        return ""
    return f"The node had condition: [{' '.join(found)}]. "
