"""What pods and nodes use: the kubelets measure it, the API server shows it, autoscalers ask for it.

meters = Meters()
meters.add("n1", kubelet.meter)    # who runs the node
report = await meters.measure()    # who wants to know
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from corral.errors import CorralError

log = logging.getLogger("corral.cluster")


class Used(NamedTuple):
    """`cpu` in billionths of a core, `memory` in bytes: the working set, what cannot be had back without harm."""

    cpu: int
    memory: int


class NodeUsage(NamedTuple):
    """CPU is the mean of the `window` seconds before `at`."""

    name: str
    at: datetime
    window: float
    used: Used


class PodUsage(NamedTuple):
    """The same of a pod whose containers that run are all measured, by their names."""

    namespace: str
    name: str
    at: datetime
    window: float
    containers: Mapping[str, Used]


class Report(NamedTuple):
    nodes: tuple[NodeUsage, ...] = ()
    pods: tuple[PodUsage, ...] = ()


class Meter(Protocol):
    async def measure(self) -> Report:
        """What is used now. Nothing is measured until somebody asks: the first answer takes a second. CorralError."""
        ...


class Meters:
    """All meters of a cluster, by node: a meter itself. Nodes come and go while it is used."""

    def __init__(self) -> None:
        self._meters: dict[str, Meter] = {}

    def __bool__(self) -> bool:
        """Whether anybody measures at all."""
        return bool(self._meters)

    def add(self, node: str, meter: Meter) -> None:
        self._meters[node] = meter

    def remove(self, node: str) -> None:
        self._meters.pop(node, None)

    async def measure(self) -> Report:
        """All nodes at once. One that cannot be asked is missing, and that is logged."""
        reports = await asyncio.gather(*(self._ask(node, meter) for node, meter in self._meters.items()))
        nodes = tuple(one for report in reports for one in report.nodes)
        return Report(nodes, tuple(one for report in reports for one in report.pods))

    @staticmethod
    async def _ask(node: str, meter: Meter) -> Report:
        try:
            return await meter.measure()
        except CorralError as error:
            log.warning("node %s does not say what it uses: %s", node, error)
            return Report()
