"""NodeResourcesFit: what a pod asks for must be free; of the nodes that have it the emptier is better.

A profile may say otherwise (`strategies`): the fuller, or by a curve.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from corral.cluster.scheduler.devices.extended import resources_of
from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.cluster.scheduler.plugins import strategies
from corral.cluster.scheduler.snapshot.arrays import Ints
from corral.cluster.scheduler.snapshot.nodes import POD_COLUMN
from corral.model.kubernetes.requests import CPU, EPHEMERAL, MEMORY

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
    """The weighted mean of the resources' scores. Who asks for no CPU and memory counts as taking a little."""
    told = cycle.rules.strategy
    total: Ints = np.zeros(len(rows), np.int64)
    weights: Ints = np.zeros(len(rows), np.int64)
    for name, weight in told.weights:
        if (use := _use(cycle, rows, name)) is None:
            continue
        taken, capacity = use
        found = strategies.SCORES[told.kind](taken, capacity, told.shape)
        counts = (capacity > 0) & ((found > 0) | (told.kind != strategies.RATIO))
        total += np.where(counts, found * weight, 0)
        weights += np.where(counts, weight, 0)
    return strategies.mean(total, weights, told.kind)


def _use(cycle: Cycle, rows: Ints, name: str) -> tuple[Ints, Ints] | None:
    """What of a resource would be taken on each node with this pod, and what there is. None: it does not matter."""
    nodes, wish = cycle.nodes, cycle.pod.requests.get(name, 0)
    number = nodes.resources.get(name)
    if number is None or (not wish and name not in (CPU, MEMORY, EPHEMERAL)):
        return None
    capacity: Ints = nodes.allocatable[number][rows]
    if name in (CPU, MEMORY):
        usual = (CPU, MEMORY).index(name)
        return nodes.usual[usual][rows] + cycle.pod.usual[usual], capacity
    return nodes.requested[number][rows] + wish, capacity


PLUGIN: Final = Plugin("NodeResourcesFit", filter, score=score)
