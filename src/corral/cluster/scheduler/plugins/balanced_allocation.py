"""NodeResourcesBalancedAllocation: CPU and memory of a node should be used to the same share."""

from __future__ import annotations

from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin
from corral.cluster.scheduler.plugins.normalize import HIGHEST
from corral.cluster.scheduler.snapshot.arrays import Floats, Ints
from corral.model.kubernetes.requests import CPU, MEMORY


def score(cycle: Cycle, rows: Ints) -> Floats | None:
    """100 where both shares are the same, 50 where one is all and the other nothing. None: the pod asks for neither."""
    nodes, requests = cycle.nodes, cycle.pod.requests
    if not requests.get(CPU) and not requests.get(MEMORY):
        return None
    shares = []
    known = np.ones(len(rows), np.bool_)
    for name in (CPU, MEMORY):
        number = nodes.resources[name]
        capacity = nodes.allocatable[number][rows]
        used = nodes.requested[number][rows] + requests.get(name, 0)
        shares.append(np.minimum(used / np.maximum(capacity, 1), 1.0))
        known &= capacity > 0
    apart = np.abs(shares[0] - shares[1]) / 2
    found: Floats = np.trunc((1 - np.where(known, apart, 0.0)) * HIGHEST)
    return found


PLUGIN: Final = Plugin("NodeResourcesBalancedAllocation", score=score)
