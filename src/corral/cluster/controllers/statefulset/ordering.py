"""Which pod of a StatefulSet comes or goes next. Pure. Follows upstream's stateful_set_control.go.

OrderedReady is careful: it makes one pod at a time, upwards, and waits until all before it are available; it takes
one away at a time, downwards; it updates downwards. So a pod of the old template that never gets ready stops
everything until somebody deletes it, also when the template was repaired meanwhile: upstream is like that, and says so.
Parallel waits for nobody; only updates keep to maxUnavailable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.history import POD_LABEL
from corral.cluster.controllers.common.objects import replicas
from corral.cluster.controllers.common.pods import available_in, is_ready, is_terminal, label, phase
from corral.cluster.controllers.statefulset.identity import is_member, ordinal, start
from corral.model.kubernetes.intstr import scaled


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a StatefulSet's spec asks for. `current`, `update`: names of revisions."""

    start: int
    replicas: int
    ordered: bool
    min_ready: int
    rolling: bool
    partition: int
    max_unavailable: int
    current: str
    update: str

    def revision(self, ordinal: int) -> str:
        """Of a pod that is made now: below the partition the one from before."""
        return self.current if self.rolling and ordinal < self.start + self.partition else self.update


def wanted_of(owner: Object, current: str, update: str) -> Wanted:
    spec = owner["spec"]
    strategy = spec.get("updateStrategy") or {}
    rolling = strategy.get("rollingUpdate") or {}
    count = replicas(owner)
    return Wanted(
        start(owner),
        count,
        spec.get("podManagementPolicy") != "Parallel",
        int(spec.get("minReadySeconds") or 0),
        strategy.get("type", "RollingUpdate") == "RollingUpdate",
        int(rolling.get("partition") or 0),
        max(1, scaled(rolling.get("maxUnavailable") or 1, count, round_up=False)),
        current,
        update,
    )


class Create(NamedTuple):
    ordinal: int
    revision: str


class Delete(NamedTuple):
    """`reason`: of an event beside the usual one."""

    pod: Object
    reason: str = ""


Action = Create | Delete


class Plan(NamedTuple):
    """What to do now, and after how many seconds to look again if nothing happens."""

    actions: list[Action]
    again: float | None = None


def split(owner: Object, pods: Sequence[Object]) -> tuple[dict[int, Object], list[Object]]:
    """Pods by ordinal, and those beyond the range from the highest ordinal down."""
    first = start(owner)
    members = [pod for pod in pods if is_member(owner, pod)]
    inside = {ordinal(pod): pod for pod in members if first <= ordinal(pod) < first + replicas(owner)}
    beyond = [pod for pod in members if ordinal(pod) not in inside]
    return inside, sorted(beyond, key=ordinal, reverse=True)


def plan_pods(wanted: Wanted, pods: Mapping[int, Object], condemned: Sequence[Object], now: datetime) -> Plan:
    """`pods` by ordinal; `condemned`: those that are too many, from the highest ordinal down.

    >>> wanted = Wanted(0, 3, True, 0, True, 0, 1, "a", "b")
    >>> plan_pods(wanted, {}, [], datetime(2026, 1, 2)).actions
    [Create(ordinal=0, revision='b')]
    >>> plan_pods(wanted.__class__(0, 2, False, 0, True, 1, 1, "a", "b"), {}, [], datetime(2026, 1, 2)).actions
    [Create(ordinal=0, revision='a'), Create(ordinal=1, revision='b')]
    """
    plan = _plan_wanted(wanted, pods, now)
    if plan.again == 0:
        return Plan(plan.actions)
    if plan.again is not None:
        return plan
    gone = _plan_condemned(wanted, pods, condemned, now)
    actions = plan.actions + gone.actions
    if gone.again == 0:
        return Plan(actions)
    if gone.again is not None or not wanted.rolling:
        return Plan(actions, gone.again)
    update = _plan_update(wanted, pods, now)
    return Plan(actions + update.actions, update.again)


_STOP = 0.0  # nothing further now; the next change decides


def _plan_wanted(wanted: Wanted, pods: Mapping[int, Object], now: datetime) -> Plan:
    """`again`: None to go on, 0 to stop, else to stop until then."""
    actions: list[Action] = []
    for at in range(wanted.start, wanted.start + wanted.replicas):
        pod = pods.get(at)
        if pod is None:
            actions.append(Create(at, wanted.revision(at)))
        elif is_terminal(pod) and not meta.deleting(pod):
            failed = phase(pod) == "Failed"
            actions.append(Delete(pod, "RecreatingFailedPod" if failed else "RecreatingTerminatedPod"))
        else:
            wait = _wait(wanted, pod, now)
            if wanted.ordered and wait is not None:
                return Plan(actions, wait)
            continue
        if wanted.ordered:
            return Plan(actions, _STOP)
    return Plan(actions)


def _wait(wanted: Wanted, pod: Object, now: datetime) -> float | None:
    """None: it is available. Else seconds until it is by time alone; 0: not by time."""
    if meta.deleting(pod) or phase(pod) != "Running" or not is_ready(pod):
        return _STOP
    left = available_in(pod, wanted.min_ready, now)
    return None if left == 0 else (left or _STOP)


def _plan_condemned(wanted: Wanted, pods: Mapping[int, Object], condemned: Sequence[Object], now: datetime) -> Plan:
    sick = [pod for pod in (*pods.values(), *condemned) if _wait(wanted, pod, now) is not None]
    first = min(sick, key=ordinal, default=None)
    actions: list[Action] = []
    for pod in condemned:
        if meta.deleting(pod):
            if wanted.ordered:
                return Plan(actions, _STOP)
            continue
        wait = _wait(wanted, pod, now)
        if wanted.ordered and wait is not None and pod is not first:
            return Plan(actions, wait)
        actions.append(Delete(pod))
        if wanted.ordered:
            return Plan(actions, _STOP)
    return Plan(actions)


def _plan_update(wanted: Wanted, pods: Mapping[int, Object], now: datetime) -> Plan:
    """Pods of another revision go, from the highest ordinal down to the partition."""
    waits = {at: _wait(wanted, pod, now) for at, pod in pods.items()}
    missing = wanted.replicas - sum(wait is None for wait in waits.values())
    soon = min((wait for wait in waits.values() if wait), default=None)
    old = [
        pod
        for at, pod in sorted(pods.items(), reverse=True)
        if at >= wanted.start + wanted.partition and label(pod, POD_LABEL) != wanted.update and not meta.deleting(pod)
    ]
    if not wanted.ordered:  # what is not available anyway is no loss
        free: list[Action] = [Delete(pod) for pod in old if waits[ordinal(pod)] is not None]
        rest = [pod for pod in old if waits[ordinal(pod)] is None]
        return Plan([*free, *(Delete(pod) for pod in rest[: max(0, wanted.max_unavailable - missing)])], soon)
    return Plan([Delete(pod) for pod in old[: max(0, wanted.max_unavailable - missing)]], soon)
