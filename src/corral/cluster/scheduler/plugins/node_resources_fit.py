"""NodeResourcesFit: what a pod asks for must be free; of the nodes that have it the emptier is better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from corral.cluster.scheduler.devices.extended import resources_of
from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.cluster.scheduler.plugins.normalize import HIGHEST
from corral.cluster.scheduler.snapshot.arrays import Ints
from corral.cluster.scheduler.snapshot.nodes import POD_COLUMN

TOO_MANY: Final = "Too many pods"


def filter(cycle: Cycle) -> Iterator[Verdict]:
    """A request beyond all that a node has cannot be helped by driving pods out; the other shortages can."""
    nodes = cycle.nodes
    wishes = [(POD_COLUMN, 1, TOO_MANY)]
    wishes += [
        (nodes.resource(name), wish, f"Insufficient {name}") for name, wish in cycle.pod.requests.items() if wish
    ]
    devices = {nodes.resource(name) for name in resources_of(cycle.pod.requests, cycle.snapshot.devices.answering)}
    short = []
    never = None
    for number, wish, reason in wishes:
        most = cycle.of(nodes.allocatable[number])
        refused, beyond = most - cycle.of(nodes.requested[number]) < wish, most < wish
        if number in devices:  # where there is none of it, DynamicResources looks for devices instead
            refused, beyond = refused & (most > 0), beyond & (most > 0)
        if refused.any():
            short.append((refused, reason))
            never = beyond if never is None else never | beyond
    for refused, reason in short:
        if never is not None and never.any():
            yield Verdict(refused & never, reason, joint=True)
            refused = refused & ~never
        yield Verdict(refused, reason, resolvable=True, joint=True)


def score(cycle: Cycle, rows: Ints) -> Ints:
    """LeastAllocated: the mean of the free shares of CPU and memory. Who asks for nothing counts as taking a little."""
    nodes = cycle.nodes
    total: Ints = np.zeros(len(rows), np.int64)
    weights: Ints = np.zeros(len(rows), np.int64)
    for number, wanted in enumerate(cycle.pod.usual):
        capacity = nodes.allocatable[number][rows]
        free = capacity - nodes.usual[number][rows] - wanted
        total += np.maximum(free, 0) * HIGHEST // np.maximum(capacity, 1)
        weights += capacity > 0
    return total // np.maximum(weights, 1)


PLUGIN: Final = Plugin("NodeResourcesFit", filter, score=score)
