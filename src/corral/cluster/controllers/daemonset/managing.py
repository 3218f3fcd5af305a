"""Which pods a DaemonSet lacks and which are too many, node by node. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.history import POD_LABEL
from corral.cluster.controllers.common.pods import is_available, is_ready, label, node_of, phase
from corral.cluster.controllers.daemonset.placing import Verdict


class View(NamedTuple):
    """How pods are looked at: `hash` is the present template's."""

    hash: str
    surge: int
    unavailable: int
    min_ready: int
    now: datetime

    def is_new(self, pod: Object) -> bool:
        return label(pod, POD_LABEL) == self.hash

    def is_available(self, pod: Object) -> bool:
        return is_available(pod, self.min_ready, self.now)


@dataclass(slots=True)
class Plan:
    """`create`: names of nodes. `ended`: pods among `delete` that ran to their end: these are spoken of."""

    create: list[str] = field(default_factory=list)
    delete: list[Object] = field(default_factory=list)
    ended: list[Object] = field(default_factory=list)


def plan_pods(
    nodes: Mapping[str, Verdict], pods: Mapping[str, Sequence[Object]], view: View, rests: Callable[[str, Object], bool]
) -> Plan:
    """`pods`: by node, oldest first. `rests(node, pod)`: a failed pod that must not be replaced just yet.

    >>> from datetime import datetime
    >>> view = View("h", 0, 1, 0, datetime(2026, 1, 2))
    >>> yes, no = Verdict(True, True), Verdict(False, False)
    >>> pod = {"metadata": {"name": "p"}, "status": {"phase": "Running"}}
    >>> plan = plan_pods({"a": yes, "b": no}, {"b": [pod]}, view, lambda node, pod: False)
    >>> plan.create, [meta.name(one) for one in plan.delete]
    (['a'], ['p'])
    """
    plan = Plan()
    for node, verdict in nodes.items():
        here = pods.get(node, ())
        if verdict.run and not here:
            plan.create.append(node)
        elif verdict.stay:
            _plan_node(plan, node, here, view, rests)
        else:
            plan.delete += [pod for pod in here if not meta.deleting(pod)]
    for node, lost in pods.items():  # the scheduler can never place what is for a node that is no more
        if node not in nodes:
            plan.delete += [pod for pod in lost if not node_of(pod) and not meta.deleting(pod)]
    return plan


def _plan_node(plan: Plan, node: str, pods: Sequence[Object], view: View, rests: Callable[[str, Object], bool]) -> None:
    living = []
    for pod in pods:
        if meta.deleting(pod):
            continue
        if phase(pod) in ("Failed", "Succeeded"):
            if phase(pod) == "Succeeded" or not rests(node, pod):
                plan.delete.append(pod)
                plan.ended.append(pod)
        else:
            living.append(pod)
    if view.surge == 0:
        plan.delete += living[1:]
        return
    new = [pod for pod in living if view.is_new(pod)]
    old = [pod for pod in living if not view.is_new(pod)]
    plan.delete += new[1:] + old[1:]
    if new and old and (not is_ready(old[0]) or view.is_available(new[0])):
        plan.delete.append(old[0])
