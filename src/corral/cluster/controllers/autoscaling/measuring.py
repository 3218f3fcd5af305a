"""What each metric of an autoscaler proposes: asks for the values, and leaves the arithmetic to calculating.py."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from corral.cluster.client.metrics import Metrics, Unavailable
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.autoscaling.calculating import (
    Proposal,
    Tolerance,
    group,
    plan_average,
    plan_share,
    plan_total,
    plan_utilization,
    requests_of,
)
from corral.cluster.controllers.common.pods import is_ready, phase
from corral.model.kubernetes.quantity import parse as parse_quantity
from corral.model.kubernetes.selectors import Selector

# The part of a MetricSpec that says more, by type; and the reason of a condition when the metric fails.
_PARTS = {
    "Resource": ("resource", "FailedGetResourceMetric"),
    "ContainerResource": ("containerResource", "FailedGetContainerResourceMetric"),
    "Pods": ("pods", "FailedGetPodsMetric"),
    "Object": ("object", "FailedGetObjectMetric"),
    "External": ("external", "FailedGetExternalMetric"),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What is scaled, as it is now."""

    namespace: str
    selector: Selector
    pods: Sequence[Object]
    wanted: int  # what its spec says
    running: int  # what its status says
    tolerance: Tolerance
    now: datetime


class Measured(NamedTuple):
    """A metric's proposal: how it is called in messages, and how it is shown in the status."""

    replicas: int
    name: str
    status: Object


def failure_reason(metric: Object) -> str:
    return _PARTS.get(metric.get("type") or "", ("", "InvalidMetricSourceType"))[1]


def milli(quantity: Any) -> int:
    """
    >>> milli("250m"), milli("1Ki"), milli(3)
    (250, 1024000, 3000)
    """
    return parse_quantity(str(quantity)).milli()


def show_milli(value: int) -> str:
    """
    >>> show_milli(250), show_milli(3000)
    ('250m', '3')
    """
    return str(value // 1000) if value % 1000 == 0 else f"{value}m"


async def measure(metric: Object, at: Target, metrics: Metrics) -> Measured:
    """Raises Unavailable."""
    type = metric.get("type") or ""
    if type not in _PARTS:
        raise Unavailable(f'unknown metric source type "{type}"')
    source = metric.get(_PARTS[type][0]) or {}
    target = source.get("target") or {}
    if type in ("Resource", "ContainerResource"):
        return await _resource(type, source, target, at, metrics)
    if type == "Pods":
        usages = await metrics.pods(source["metric"], at.namespace, at.selector)
        groups = group(at.pods, usages, "", at.now)
        found = plan_average(at.wanted, milli(target["averageValue"]), usages, groups, at.tolerance)
        name = f"pods metric {source['metric']['name']}"
        return _measured(found.replicas, name, type, source, {"averageValue": show_milli(found.average)})
    if type == "Object":
        usage = await metrics.object(source["metric"], at.namespace, source["describedObject"])
    else:
        usage = sum(await metrics.external(source["metric"], at.namespace))
    return _shared_value(type, source, target, usage, at)


async def _resource(type: str, source: Object, target: Object, at: Target, metrics: Metrics) -> Measured:
    resource, container = source["name"], source.get("container") or ""
    try:
        usages = await metrics.resource(resource, at.namespace, at.selector, container)
    except Unavailable as error:
        raise Unavailable(f"unable to get metrics for resource {resource}: {error}") from error
    groups = group(at.pods, usages, resource, at.now)
    what = f"{resource} {'container resource' if container else 'resource'}"
    found: Proposal
    if target.get("averageValue") is not None:
        found = plan_average(at.wanted, milli(target["averageValue"]), usages, groups, at.tolerance)
        return _measured(found.replicas, what, type, source, {"averageValue": show_milli(found.average)})
    if target.get("averageUtilization") is None:
        raise Unavailable(
            "invalid resource metric source: neither an average utilization nor an average value target was set"
        )
    percent = int(target["averageUtilization"])
    requests = requests_of(at.pods, resource, container)
    found = plan_utilization(at.wanted, percent, usages, requests, groups, at.tolerance)
    current = {"averageUtilization": found.utilization, "averageValue": show_milli(found.average)}
    return _measured(found.replicas, f"{what} utilization (percentage of request)", type, source, current)


def _shared_value(type: str, source: Object, target: Object, usage: int, at: Target) -> Measured:
    name = f"external metric {source['metric']['name']}"
    if type == "Object":
        name = f"{source['describedObject']['kind']} metric {source['metric']['name']}"
    if target.get("averageValue") is not None:
        wanted = plan_share(at.wanted, at.running, usage, milli(target["averageValue"]), at.tolerance)
        average = -(-usage // at.running) if at.running else 0
        return _measured(wanted, name, type, source, {"averageValue": show_milli(average)})
    ready = sum(phase(pod) == "Running" and is_ready(pod) for pod in at.pods)
    wanted = plan_total(at.wanted, ready, usage, milli(target["value"]), at.tolerance)
    return _measured(wanted, name, type, source, {"value": show_milli(usage)})


def _measured(replicas: int, name: str, type: str, source: Object, current: Object) -> Measured:
    shown = {key: value for key, value in source.items() if key != "target"}
    return Measured(replicas, name, {"type": type, _PARTS[type][0]: {**shown, "current": current}})
