"""Questions about a pod. Pure. Follows upstream's pkg/api/v1/pod and pkg/controller."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import from_text


def phase(pod: Object) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def condition(pod: Object, type: str) -> Object | None:
    found = (pod.get("status") or {}).get("conditions") or ()
    return next((one for one in found if one.get("type") == type), None)


def is_terminal(pod: Object) -> bool:
    """It ran to its end."""
    return phase(pod) in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """It runs or will, and nobody asked it to go.

    >>> is_active({"metadata": {}, "status": {"phase": "Pending"}}), is_active({"metadata": {"deletionTimestamp": "t"}})
    (True, False)
    """
    return not is_terminal(pod) and not meta.deleting(pod)


def is_terminating(pod: Object) -> bool:
    """It was asked to go, and still runs."""
    return meta.deleting(pod) and not is_terminal(pod)


def is_ready(pod: Object) -> bool:
    found = condition(pod, "Ready")
    return found is not None and found.get("status") == "True"


def ready_since(pod: Object) -> str:
    """When it became ready; "" if it is not, or nobody noted when."""
    found = condition(pod, "Ready")
    if found is None or found.get("status") != "True":
        return ""
    return str(found.get("lastTransitionTime") or "")


def available_in(pod: Object, min_ready: int, now: datetime) -> float | None:
    """Seconds until it counts as available, if nothing happens; 0: it does; None: it is not ready.

    >>> ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z"}
    >>> pod = {"metadata": {}, "status": {"conditions": [ready]}}
    >>> [available_in(pod, seconds, from_text("2026-01-02T03:04:07Z")) for seconds in (0, 2, 10)]
    [0.0, 0.0, 8.0]
    """
    if not is_ready(pod):
        return None
    if min_ready == 0:
        return 0.0
    since = ready_since(pod)
    if not since:
        return None
    return max(0.0, (from_text(since) + timedelta(seconds=min_ready) - now).total_seconds())


def is_available(pod: Object, min_ready: int, now: datetime) -> bool:
    return available_in(pod, min_ready, now) == 0


def next_available(pods: Iterable[Object], min_ready: int, now: datetime) -> float | None:
    """Seconds until the next of the pods becomes available by time alone; None: no such pod."""
    waits = [wait for pod in pods if (wait := available_in(pod, min_ready, now))]
    return min(waits, default=None)


def restarts(pod: Object) -> int:
    """Of the container that was restarted most."""
    found = (pod.get("status") or {}).get("containerStatuses") or ()
    return max((one.get("restartCount", 0) for one in found), default=0)


def node_of(pod: Object) -> str:
    return str((pod.get("spec") or {}).get("nodeName") or "")


def label(pod: Object, name: str) -> str:
    return str((pod["metadata"].get("labels") or {}).get(name) or "")


def annotation(obj: Object, name: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(name) or "")
