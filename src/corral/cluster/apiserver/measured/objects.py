"""What was measured, as objects of metrics.k8s.io/v1beta1, and their columns. Pure.

Follows kubernetes-sigs/metrics-server: its kinds in k8s.io/metrics/pkg/apis/metrics/v1beta1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from corral.cluster.client.times import to_text
from corral.cluster.client.usage import NodeUsage, PodUsage, Used
from corral.model.kubernetes.kind import Column
from corral.model.kubernetes.quantity import BINARY, Quantity, of, parse

Object = dict[str, Any]
API_VERSION: Final = "metrics.k8s.io/v1beta1"


def resource_list(used: Used) -> dict[str, str]:
    """
    >>> resource_list(Used(cpu=250_000_000, memory=3 << 20)), resource_list(Used(1_234_567, 4096))
    ({'cpu': '250m', 'memory': '3Mi'}, {'cpu': '1234567n', 'memory': '4Ki'})
    """
    return {"cpu": str(Quantity(used.cpu)), "memory": str(of(used.memory, BINARY))}


def go_duration(seconds: float) -> str:
    """A time to the millisecond, as metav1.Duration is written.

    >>> go_duration(15), go_duration(10.5), go_duration(60.25), go_duration(0.25)
    ('15s', '10.5s', '1m0.25s', '250ms')
    """
    millis = round(seconds * 1000)
    if 0 < millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    text = f"{rest / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{minutes}m{text}s" if minutes else f"{text}s"


def node_metrics(usage: NodeUsage, node: Object, now: datetime) -> Object:
    """`node`: the object, whose labels selectors ask for."""
    made = _metrics("NodeMetrics", node, usage.at, usage.window, now)
    return {**made, "usage": resource_list(usage.used)}


def pod_metrics(usage: PodUsage, pod: Object, now: datetime) -> Object:
    """Containers in the order in which the pod names them; the rest by name."""
    order = {name: place for place, name in enumerate(_names(pod))}
    names = sorted(usage.containers, key=lambda name: (order.get(name, len(order)), name))
    containers = [{"name": name, "usage": resource_list(usage.containers[name])} for name in names]
    return {**_metrics("PodMetrics", pod, usage.at, usage.window, now), "containers": containers}


def _names(pod: Object) -> Iterable[str]:
    spec = pod.get("spec") or {}
    return (one["name"] for key in ("containers", "initContainers") for one in spec.get(key) or ())


def _metrics(kind: str, about: Object, at: datetime, window: float, now: datetime) -> Object:
    known = about["metadata"]
    metadata = {key: known[key] for key in ("name", "namespace", "labels") if known.get(key)}
    metadata["creationTimestamp"] = to_text(now)
    measured = {"timestamp": to_text(at), "window": go_duration(window)}
    return {"kind": kind, "apiVersion": API_VERSION, "metadata": metadata, **measured}


def total(metrics: Mapping[str, Any], resource: str) -> str:
    """Of a node, or of all containers of a pod together.

    >>> total({"containers": [{"usage": {"cpu": "250m"}}, {"usage": {"cpu": "750m"}}]}, "cpu")
    '1'
    """
    lists = [metrics["usage"]] if "usage" in metrics else [one["usage"] for one in metrics.get("containers") or ()]
    amounts = [parse(one[resource]) for one in lists if resource in one]
    return str(sum(amounts[1:], amounts[0])) if amounts else "0"


def _of(resource: str) -> Column:
    return Column(resource, lambda obj, now: total(obj, resource), "string", "quantity")


COLUMNS: Final = (
    _of("cpu"),
    _of("memory"),
    Column("Window", lambda obj, now: str(obj["window"]), "string", "duration"),
)
