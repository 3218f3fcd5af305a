"""Who makes room on this node for a pod that it cannot do without. Pure.

Follows k8s.io/kubernetes/pkg/kubelet/preemption: as few pods as possible, and rather those that asked for nothing,
then those that asked for less than they may use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from corral.cluster.kubelet.containers.limits import qos_class
from corral.cluster.kubelet.eviction.ranking import is_critical
from corral.cluster.kubelet.lifecycle.admission import Shortage
from corral.model.kubernetes.requests import CPU, MEMORY, PODS, pod_requests

Object = dict[str, Any]
Needs = Mapping[str, int]  # by resource

REASON: Final = "Preempting"
MESSAGE: Final = "Preempted in order to admit critical pod"
CLASSES: Final = ("BestEffort", "Burstable", "Guaranteed")


def plan_victims(pod: Object, others: Sequence[Object], shortages: Iterable[Shortage]) -> list[Object] | str:
    """The pods that go for a critical one; where all that may go would not be enough, what would be missing still.

    >>> def made(uid, cpu, priority=0):
    ...     resources = {"requests": {"cpu": cpu}} if cpu else {}
    ...     return {"metadata": {"uid": uid}, "spec": {"containers": [{"resources": resources}], "priority": priority}}
    >>> pods = [made("a", "2"), made("b", "500m"), made("c", "600m"), made("d", "")]
    >>> short = Shortage("cpu", 1000, 3100, 3600)
    >>> critical = made("x", "1", 2_000_000_000)
    >>> [one["metadata"]["uid"] for one in plan_victims(critical, pods, [short])]
    ['b']
    >>> plan_victims(critical, pods[3:], [short])
    'no set of running pods found to reclaim resources: [(res: cpu, q: 500), ]'
    """
    needs = {one.resource: one.missing for one in shortages}
    may_go = [one for one in others if _yields(one, pod)]
    if left := _left(needs, may_go):
        return f"no set of running pods found to reclaim resources: {_shown(left)}"
    by_class = [[one for one in may_go if qos_class(one) == name] for name in CLASSES]
    chosen: list[list[Object]] = [[], [], []]
    for number in (2, 1, 0):  # those of a better class go only for what all of the worse ones do not give
        worse = [one for some in by_class[:number] for one in some]
        better = [one for some in chosen[number + 1 :] for one in some]
        chosen[number] = _nearest(by_class[number], _left(needs, [*worse, *better]))
    return [one for some in chosen for one in some]


def _yields(one: Object, to: Object) -> bool:
    """Whether a pod goes for a more important one."""
    if is_critical(to) and not is_critical(one):
        return True
    mine, its = one["spec"].get("priority"), to["spec"].get("priority")
    return mine is not None and its is not None and its > mine


def _nearest(pods: Iterable[Object], needs: Needs) -> list[Object]:
    """One after the other: whoever leaves the least still needed; of equals who has asked for less."""
    rest, found = list(pods), []
    while needs and rest:
        best = min(rest, key=lambda one: (_distance(one, needs), _given(one, MEMORY), _given(one, CPU)))
        rest.remove(best)
        found.append(best)
        needs = _left(needs, [best])
    return found


def _distance(pod: Object, needs: Needs) -> float:
    parts = (max(need - _given(pod, name), 0) / need for name, need in needs.items())
    return sum(part * part for part in parts)


def _left(needs: Needs, pods: Sequence[Object]) -> dict[str, int]:
    left = {name: need - sum(_given(one, name) for one in pods) for name, need in needs.items()}
    return {name: need for name, need in left.items() if need > 0}


def _given(pod: Object, name: str) -> int:
    return 1 if name == PODS else pod_requests(pod).get(name, 0)


def _shown(needs: Needs) -> str:
    return "[" + "".join(f"(res: {name}, q: {need}), " for name, need in needs.items()) + "]"
