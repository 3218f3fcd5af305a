"""How many of a budget's pods are healthy, how many must be, and so how many may go. Pure.

Follows upstream's pkg/controller/disruption. The eviction subresource takes from `disruptionsAllowed`; what it took is
in `disruptedPods` until the pods are seen to go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text, to_text
from corral.cluster.controllers.common import conditions
from corral.cluster.controllers.common.pods import is_ready
from corral.model.kubernetes.intstr import scaled

PATIENCE = timedelta(minutes=2)  # for an evicted pod to be deleted


class Disrupted(NamedTuple):
    """`pods`: evictions that are still on their way; `overdue`: pods that should have gone and did not."""

    pods: dict[str, str]
    overdue: list[Object]
    again: float | None


def plan_disrupted(budget: Object, pods: Iterable[Object], now: datetime) -> Disrupted:
    """
    >>> budget = {"status": {"disruptedPods": {"a": "2026-01-02T00:00:00Z", "b": "2026-01-01T00:00:00Z"}}}
    >>> pods = [{"metadata": {"name": name}} for name in "abc"]
    >>> found = plan_disrupted(budget, pods, from_text("2026-01-02T00:01:00Z"))
    >>> found.pods, [meta.name(pod) for pod in found.overdue], found.again
    ({'a': '2026-01-02T00:00:00Z'}, ['b'], 60.0)
    """
    known = (budget.get("status") or {}).get("disruptedPods") or {}
    found: dict[str, str] = {}
    overdue, waits = [], []
    for pod in pods:
        when = known.get(meta.name(pod))
        if when is None or meta.deleting(pod):
            continue
        left = (from_text(when) + PATIENCE - now).total_seconds()
        if left <= 0:
            overdue.append(pod)
        else:
            found[meta.name(pod)] = when
            waits.append(left)
    return Disrupted(found, overdue, min(waits, default=None))


def count_healthy(pods: Iterable[Object], disrupted: Iterable[str]) -> int:
    """Ready, and not on their way out."""
    going = set(disrupted)
    return sum(is_ready(pod) and not meta.deleting(pod) and meta.name(pod) not in going for pod in pods)


def needs_scale(budget: Object) -> bool:
    """Whether it matters how many pods there should be, not how many there are."""
    spec = budget.get("spec") or {}
    return spec.get("maxUnavailable") is not None or isinstance(spec.get("minAvailable"), str)


class Need(NamedTuple):
    expected: int
    healthy: int


def plan_need(budget: Object, pods: int, scale: int) -> Need:
    """How many pods there should be and how many of them healthy. `scale`: what their controllers want.

    >>> plan_need({"spec": {"maxUnavailable": "30%"}}, 10, 10), plan_need({"spec": {"minAvailable": 2}}, 3, 0)
    (Need(expected=10, healthy=7), Need(expected=3, healthy=2))
    >>> plan_need({"spec": {"minAvailable": "50%"}}, 3, 5)
    Need(expected=5, healthy=3)
    """
    spec = budget.get("spec") or {}
    if spec.get("maxUnavailable") is not None:
        return Need(scale, max(0, scale - scaled(spec["maxUnavailable"], scale, round_up=True)))
    least = spec.get("minAvailable")
    if isinstance(least, str):
        return Need(scale, scaled(least, scale, round_up=True))
    return Need(pods, int(least or 0))


def plan_status(budget: Object, need: Need, healthy: int, disrupted: dict[str, str], now: datetime) -> Object:
    """
    >>> budget = {"metadata": {"generation": 1}}
    >>> plan_status(budget, Need(3, 2), 3, {}, datetime(2026, 1, 2))["disruptionsAllowed"]
    1
    >>> plan_status(budget, Need(0, 0), 0, {}, datetime(2026, 1, 2))["disruptionsAllowed"]
    0
    """
    allowed = max(0, healthy - need.healthy) if need.expected > 0 else 0
    reason = "SufficientPods" if allowed > 0 else "InsufficientPods"
    status: Object = {
        "observedGeneration": budget["metadata"].get("generation", 0),
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": need.healthy,
        "expectedPods": need.expected,
        "conditions": _conditions(budget, allowed > 0, reason, "", now),
    }
    return status | ({"disruptedPods": disrupted} if disrupted else {})


def plan_failure(budget: Object, message: str, now: datetime) -> Object:
    """Nothing may go while nobody knows."""
    status = {**(budget.get("status") or {}), "disruptionsAllowed": 0}
    status |= {"currentHealthy": status.get("currentHealthy", 0), "desiredHealthy": status.get("desiredHealthy", 0)}
    status["expectedPods"] = status.get("expectedPods", 0)
    return status | {"conditions": _conditions(budget, False, "SyncFailed", message, now)}


def _conditions(budget: Object, allowed: bool, reason: str, message: str, now: datetime) -> list[Object]:
    known: Sequence[Object] = (budget.get("status") or {}).get("conditions") or []
    new = conditions.make("DisruptionAllowed", allowed, reason, message, to_text(now))
    new["message"] = message
    new["observedGeneration"] = budget["metadata"].get("generation", 0)
    old = conditions.find(known, "DisruptionAllowed")
    if old is not None and old.get("status") == new["status"]:
        new["lastTransitionTime"] = old.get("lastTransitionTime")
    return [*conditions.without(known, "DisruptionAllowed"), new]


def stale_target_in(pod: Object, now: datetime) -> float | None:
    """Seconds until a pod's condition DisruptionTarget is wrong, because nothing has come of it; None: never."""
    target = conditions.find((pod.get("status") or {}).get("conditions"), "DisruptionTarget")
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if target is None or target.get("status") != "True" or meta.deleting(pod) or ended:
        return None
    since = target.get("lastTransitionTime")
    return max(0.0, (from_text(since) + PATIENCE - now).total_seconds()) if since else 0.0
