"""NodeResourcesFit: what a pod asks for must be free; of the nodes that have it the emptier is better."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from corral.cluster.scheduler.cycle import Cycle
from corral.cluster.scheduler.plugins.normalize import HIGHEST
from corral.cluster.scheduler.snapshot.arrays import Ints
from corral.cluster.scheduler.snapshot.nodes import POD_COLUMN
from corral.cluster.scheduler.verdicts import Plugin, Verdict

TOO_MANY: Final = "Too many pods"


def filter(cycle: Cycle) -> Iterator[Verdict]:
    """A request beyond all that a node has cannot be helped by driving pods out; the other shortages can."""
    nodes = cycle.nodes
    most, used = cycle.of(nodes.allocatable[POD_COLUMN]), cycle.of(nodes.requested[POD_COLUMN])
    never = most < 1
    short = [(used + 1 > most, TOO_MANY)]
    for name, wanted in cycle.pod.requests.items():
        if wanted:
            number = nodes.resource(name)
            most, used = cycle.of(nodes.allocatable[number]), cycle.of(nodes.requested[number])
            short.append((most - used < wanted, f"Insufficient {name}"))
            never = never | (most < wanted)
    some = never.any()
    for refused, reason in short:
        if not refused.any():
            continue
        if some:
            yield Verdict(refused & never, reason, joint=True)
            refused = refused & ~never
        yield Verdict(refused, reason, resolvable=True, joint=True)


def score(cycle: Cycle, rows: Ints) -> Ints:
    """LeastAllocated: the mean of the free shares of CPU and memory, where pods that ask for nothing count as if they took a little."""
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
