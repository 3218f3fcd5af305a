"""How many pods a Deployment may have too many and too few. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.objects import replicas
from corral.cluster.controllers.common.pods import is_active, is_available
from corral.model.kubernetes.intstr import IntOrString, scaled


class Bounds(NamedTuple):
    """Numbers of pods: `surge` above and `unavailable` below what is wanted."""

    surge: int
    unavailable: int


def fenceposts(surge: IntOrString, unavailable: IntOrString, wanted: int) -> Bounds:
    """Percentages become numbers, the surge rounded up; both must not be 0, or nothing could ever move.

    >>> fenceposts("25%", "25%", 10), fenceposts("1%", 0, 2), fenceposts(0, "1%", 2)
    (Bounds(surge=3, unavailable=2), Bounds(surge=1, unavailable=0), Bounds(surge=0, unavailable=1))
    """
    above = scaled(surge, wanted, round_up=True)
    below = scaled(unavailable, wanted, round_up=False)
    return Bounds(above, 1 if above == 0 and below == 0 else below)


def is_rolling(deployment: Object) -> bool:
    return bool((deployment["spec"].get("strategy") or {}).get("type") == "RollingUpdate")


def bounds_of(deployment: Object) -> Bounds:
    """Those of its strategy: of Recreate none at all.

    >>> strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": "50%"}}
    >>> bounds_of({"spec": {"replicas": 3, "strategy": strategy}})
    Bounds(surge=1, unavailable=1)
    """
    wanted = replicas(deployment)
    if not is_rolling(deployment):
        return Bounds(0, 0)
    rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
    found = fenceposts(rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%"), wanted)
    return Bounds(found.surge, min(found.unavailable, wanted))


class Size(NamedTuple):
    """One ReplicaSet in numbers. `available`: of the pods that it keeps at this size. `ceiling`: how many pods its
    Deployment could have when it was last sized (0: not known)."""

    name: str
    replicas: int
    available: int = 0
    created: str = ""
    ceiling: int = 0


class Scale(NamedTuple):
    """The ReplicaSet `name` gets `replicas` pods."""

    name: str
    replicas: int


def available(replica_set: Object, pods: Iterable[Object], now: datetime) -> int:
    """How many of its available pods stay, once the ReplicaSet's controller has done what is written already.

    Counted anew, where upstream reads the ReplicaSet's status: that tells of the pods' state a moment ago, and of a
    pod that the set is about to delete it says that it is there. Either costs a pod too many when versions follow
    each other quickly, or a controller dies in between.

    >>> ready = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    >>> pods = [{"metadata": {}, "status": ready}, {"metadata": {}, "status": ready}, {"metadata": {}, "status": {}}]
    >>> [available({"spec": {"replicas": size}}, pods, datetime(2026, 1, 2)) for size in (1, 2, 3)]
    [1, 2, 2]
    """
    least = replica_set["spec"].get("minReadySeconds") or 0
    return min(replicas(replica_set), sum(is_active(pod) and is_available(pod, least, now) for pod in pods))
