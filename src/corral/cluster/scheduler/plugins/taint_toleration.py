"""TaintToleration: taints that a pod does not tolerate keep it away, or (PreferNoSchedule) make the node worse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.cluster.scheduler.plugins.normalize import normalized
from corral.cluster.scheduler.snapshot.arrays import Ints
from corral.model.kubernetes.taints import PREFER_NO_SCHEDULE, first_untolerated, tolerated

REASON: Final = "node(s) had untolerated taint(s)"


def filter(cycle: Cycle) -> Iterator[Verdict]:
    """Taints are looked at once for each set of them, however many nodes have it."""
    nodes, known = cycle.nodes, cycle.pod.tolerations
    refused = [first_untolerated(found, known) is not None for found in nodes.taint_sets]
    if any(refused):
        yield Verdict(np.array(refused, np.bool_)[cycle.of(nodes.taint_set)], REASON)


def score(cycle: Cycle, rows: Ints) -> Ints | None:
    """The fewer taints are only preferred, and not tolerated, the better."""
    nodes = cycle.nodes
    soft = [[one for one in found if one.effect == PREFER_NO_SCHEDULE] for found in nodes.taint_sets]
    if not any(soft):
        return None
    known = [one for one in cycle.pod.tolerations if one.effect in ("", PREFER_NO_SCHEDULE)]
    counts = np.array([sum(not tolerated(one, known) for one in found) for found in soft], np.int64)
    return normalized(counts[nodes.taint_set[rows]], reverse=True)


PLUGIN: Final = Plugin("TaintToleration", filter, score=score, weight=3, about_nodes=True)
