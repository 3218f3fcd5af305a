"""Why a pod was evicted, in the words that `kubectl describe` shows. Pure."""

from __future__ import annotations

from typing import Any

from corral.cluster.kubelet.eviction.pressure import Observed
from corral.cluster.kubelet.eviction.ranking import Use
from corral.cluster.kubelet.eviction.thresholds import SIGNALS, Threshold
from corral.model.kubernetes.quantity import BINARY, DECIMAL, of, parse

Object = dict[str, Any]


def shown(value: int, resource: str) -> str:
    """
    >>> shown(2048, "memory"), shown(2048, "pids")
    ('2Ki', '2048')
    """
    return str(of(value, BINARY if resource in ("memory", "ephemeral-storage") else DECIMAL))


def plan_message(pod: Object, threshold: Threshold, observed: Observed, use: Use | None) -> str:
    """
    >>> from corral.cluster.kubelet.eviction.thresholds import Amount
    >>> pod = {"spec": {"containers": [{"name": "web"}]}}
    >>> plan_message(pod, Threshold("memory.available", Amount(2048)), Observed(1024, 4096), Use(512, {"web": 512}))
    'The node was low on resource: memory. Threshold quantity: 2Ki, available: 1Ki. Container web was using 512, \
request is 0, has larger consumption of memory. '
    """
    resource = SIGNALS[threshold.signal].resource
    least = shown(threshold.amount.of(observed.capacity), resource)
    message = f"The node was low on resource: {resource}. "
    message += f"Threshold quantity: {least}, available: {shown(observed.available, resource)}. "
    for container in (
        pod["spec"]["containers"] if use is not None and resource in ("memory", "ephemeral-storage") else ()
    ):
        requests = (container.get("resources") or {}).get("requests") or {}
        asked = str(requests.get(resource, "0"))
        used = use.containers.get(container["name"]) if use is not None else None
        if used is not None and used > parse(asked).ceil():
            message += f"Container {container['name']} was using {shown(used, resource)}, request is {asked}, "
            message += f"has larger consumption of {resource}. "
    return message
