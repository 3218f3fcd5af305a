"""The rolling update of a DaemonSet. Pure. Follows upstream's update.go.

Without a surge an old pod is deleted, and the missing one made as on any node; with a surge a second pod is made
beside the old one, which goes when the new one is available.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.daemonset.managing import Plan, View
from corral.cluster.controllers.daemonset.placing import Verdict
from corral.model.kubernetes.intstr import scaled


def bounds(daemon_set: Object, desired: int) -> tuple[int, int]:
    """(surge, unavailable) in numbers of nodes, rounded up; not both 0.

    >>> rolling = {"maxUnavailable": "10%", "maxSurge": 0}
    >>> bounds({"spec": {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}}, 15)
    (0, 2)
    """
    strategy = daemon_set["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return 0, 0
    rolling = strategy.get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge") or 0, desired, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable", 1), desired, round_up=True)
    return surge, 1 if surge == 0 and unavailable == 0 and desired > 0 else unavailable


class Pair(NamedTuple):
    """The living pods of a node: at most one of each."""

    new: Object | None
    old: Object | None


def pair(pods: Sequence[Object], view: View) -> Pair | None:
    """None: there are too many, which is put right first."""
    living = [pod for pod in pods if not meta.deleting(pod)]
    new = [pod for pod in living if view.is_new(pod)]
    old = [pod for pod in living if not view.is_new(pod)]
    if len(new) > 1 or len(old) > 1:
        return None
    return Pair(new[0] if new else None, old[0] if old else None)


def plan_update(nodes: Mapping[str, Verdict], pods: Mapping[str, Sequence[Object]], view: View) -> Plan:
    """What to delete and make now. `pods`: by node, and each node that should have one is in there.

    >>> from datetime import datetime
    >>> ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    >>> old = lambda name: {"metadata": {"name": name, "labels": {}}, "status": ready}
    >>> pods, yes = {"a": [old("pa")], "b": [old("pb")]}, Verdict(True, True)
    >>> plan = plan_update({"a": yes, "b": yes}, pods, View("h", 0, 1, 0, datetime(2026, 1, 2)))
    >>> [meta.name(pod) for pod in plan.delete]
    ['pa']
    >>> plan_update({"a": yes, "b": yes}, pods, View("h", 1, 0, 0, datetime(2026, 1, 2))).create
    ['a']
    """
    return _with_surge(nodes, pods, view) if view.surge else _without_surge(pods, view)


def _without_surge(pods: Mapping[str, Sequence[Object]], view: View) -> Plan:
    missing, replaced, candidates = 0, [], []
    for here in pods.values():
        both = pair(here, view)
        if both is None or (both.new is None) == (both.old is None):
            missing += 1
        elif both.new is not None:
            missing += not view.is_available(both.new)
        elif both.old is not None and not view.is_available(both.old):
            replaced.append(both.old)  # it is missing already: no loss
            missing += 1
        elif both.old is not None:
            candidates.append(both.old)
    return Plan(delete=replaced + candidates[: max(0, view.unavailable - missing)])


def _with_surge(nodes: Mapping[str, Verdict], pods: Mapping[str, Sequence[Object]], view: View) -> Plan:
    plan, candidates, leaving = Plan(), [], []
    surging = available = 0
    for node, here in pods.items():
        both = pair(here, view)
        if both is None:
            surging += 1
            continue
        first = both.old or both.new
        available += first is not None and view.is_available(first)
        if both.old is None:
            continue
        runs = nodes.get(node, Verdict(False, False)).run
        if both.new is not None:
            if view.is_available(both.new):
                plan.delete.append(both.old)
            else:
                surging += 1
        elif not view.is_available(both.old):
            if runs:
                plan.create.append(node)
            else:
                plan.delete.append(both.old)
        elif runs:
            candidates.append(node)
        else:
            leaving.append(both.old)
    desired = sum(verdict.run for verdict in nodes.values())
    plan.delete += leaving[: max(0, available - desired)]
    plan.create += candidates[: max(0, view.surge - surging)]
    return plan
