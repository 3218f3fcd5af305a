"""NodeUnschedulable: a node that was cordoned takes only pods that tolerate it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.model.kubernetes.taints import Taint, tolerated

REASON: Final = "node(s) were unschedulable"
TAINT: Final = Taint("node.kubernetes.io/unschedulable", "", "NoSchedule")


def filter(cycle: Cycle) -> Iterator[Verdict]:
    if not tolerated(TAINT, cycle.pod.tolerations):
        yield Verdict(cycle.of(cycle.nodes.unschedulable), REASON)


PLUGIN: Final = Plugin("NodeUnschedulable", filter, about_nodes=True)
