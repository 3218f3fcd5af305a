"""What nodes on other machines use: asked of their kubelets, as a metrics server does (/metrics/resource)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.proxying.kubelets import Kubelets
from corral.cluster.client.metering.meter import PodMeter
from corral.cluster.client.metering.rates import SECOND, ContainerSample, Sample
from corral.cluster.client.usage import Meters, Report
from corral.errors import HostError
from corral.kit.clock import Clock, SystemClock
from corral.kit.exposition import parse

Object = dict[str, Any]
PATIENCE: Final = 10.0  # seconds for a kubelet's answer
MILLI: Final = 10**6  # nanoseconds


def read_resource(text: str, now: int) -> Sample:
    """Pure: a sample from a kubelet's /metrics/resource; `now` (nanoseconds) where it does not say when it was taken.

    A pod is known by its names here: one that is made anew has containers that start anew.

    >>> found = read_resource('''node_cpu_usage_seconds_total 2.5 7000
    ... node_memory_working_set_bytes 4096 7000
    ... container_cpu_usage_seconds_total{container="main",namespace="shop",pod="web"} 0.5 7000
    ... container_memory_working_set_bytes{container="main",namespace="shop",pod="web"} 1024 7000
    ... container_start_time_seconds{container="main",namespace="shop",pod="web"} 3.25''', 0)
    >>> found.at, found.cpu, found.memory
    (7000000000, 2500000000, 4096)
    >>> list(found.containers.values())[0][2:]
    ('shop/web', 'main', 3250000000, 500000000, 1024)
    """
    at, cpu, memory = now, 0, 0
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for name, labels, value, moment in parse(text):
        if name == "node_cpu_usage_seconds_total":
            at, cpu = moment * MILLI or now, round(value * SECOND)
        elif name == "node_memory_working_set_bytes":
            memory = round(value)
        elif name.startswith("container_"):
            key = labels.get("namespace", ""), labels.get("pod", ""), labels.get("container", "")
            found.setdefault(key, {})[name] = value
    containers = {}
    for (namespace, pod, container), values in found.items():
        try:
            started = round(values["container_start_time_seconds"] * SECOND)
            used = round(values["container_cpu_usage_seconds_total"] * SECOND)
            resident = round(values["container_memory_working_set_bytes"])
        except KeyError:
            continue  # not measured as a whole
        uid = f"{namespace}/{pod}"
        one = ContainerSample(namespace, pod, uid, container, started, used, resident)
        containers[f"{uid}/{container}"] = one
    return Sample(at, cpu, memory, containers)


class KubeletMeter:
    """A `Meter` (corral.cluster.client.usage) of one node. A node that is not ready is not asked."""

    def __init__(self, node: str, kubelets: Kubelets, lookup: Lookup, clock: Clock) -> None:
        self._node, self._kubelets, self._lookup, self._clock = node, kubelets, lookup, clock
        self._meter = PodMeter(node, clock, self._take)

    async def _take(self) -> Sample:
        """StatusError, HostError."""
        try:
            async with asyncio.timeout(PATIENCE):
                text = await self._kubelets.read(self._node, "/metrics/resource")
        except TimeoutError:
            raise HostError(f"its kubelet has not answered within {PATIENCE:.0f} s") from None
        return read_resource(text.decode(errors="replace"), self._clock.now())

    async def measure(self) -> Report:
        node = self._lookup.get("", "nodes", "", self._node)
        return await self._meter.measure() if node is not None and _is_ready(node) else Report()


def _is_ready(node: Object) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def follow(meters: Meters, own: Mapping[str, object], kubelets: Kubelets, lookup: Lookup) -> None:
    """From now on every node has a meter; those of `own` have one already."""
    clock = SystemClock()

    def changed(old: Object | None, new: Object | None) -> None:
        name = (new or old or {})["metadata"]["name"]
        if name in own:
            return
        if new is None:
            meters.remove(name)
        elif old is None:
            meters.add(name, KubeletMeter(name, kubelets, lookup, clock))

    lookup.subscribe("", "nodes", changed)
