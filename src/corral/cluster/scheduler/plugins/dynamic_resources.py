"""DynamicResources: a pod that wants devices by claims goes where they are, or can be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from corral.cluster.scheduler.conditions import DEVICES as NAME
from corral.cluster.scheduler.devices.allocating import Choice, Ground, allocate
from corral.cluster.scheduler.devices.extended import LEFT, left_to_devices
from corral.cluster.scheduler.devices.pod_claims import Waits
from corral.cluster.scheduler.devices.state import ELSEWHERE, Asked
from corral.cluster.scheduler.devices.wishes import CannotAllocate
from corral.cluster.scheduler.framework import Cycle, Plugin, Rejection, Verdict
from corral.cluster.scheduler.plugins.normalize import normalized
from corral.cluster.scheduler.snapshot.arrays import Ints
from corral.errors import CorralError
from corral.model.kubernetes.placement import matches_terms

Object = dict[str, Any]

NOT_ALL: Final = "cannot allocate all claims"
MOST_ALTERNATIVES: Final = 8


def prefilter(cycle: Cycle) -> Rejection | None:
    if not _is_concerned(cycle):
        return None
    try:
        cycle.memory[NAME] = cycle.snapshot.devices.asked(cycle.pod.obj)
    except Waits as error:
        return Rejection(error.message)
    return None


def filter(cycle: Cycle) -> Iterator[Verdict]:
    """CorralError where something is wrong with a claim: then no node is told from another."""
    if not _is_concerned(cycle):
        return
    asked = _asked(cycle)
    if asked is None or asked.left is not None:
        yield Verdict(cycle.all(), NOT_ALL if asked is None else LEFT)
        return
    elsewhere, not_all = cycle.none(), cycle.none()
    ground = cycle.snapshot.devices.ground()
    found: dict[str, list[Choice]] = cycle.memory.setdefault(f"{NAME} choices", {})
    variants: dict[frozenset[str], Asked] = {}
    present = cycle.of(cycle.nodes.present)
    for place, row in enumerate(np.arange(cycle.nodes.rows)[cycle.rows]):
        if not present[place]:
            continue
        node = cycle.snapshot.objects[cycle.nodes.names[int(row)]]
        resources = left_to_devices(asked.resources, node)
        if resources not in variants:
            variants[resources] = cycle.snapshot.devices.with_extended(cycle.pod.obj, asked, resources)
        chosen = _choices(variants[resources], ground, node)
        if not all(_is_here(claim, node) for claim in asked.claims):
            elsewhere[place] = True
        elif chosen is None:
            not_all[place] = True
        else:
            found[node["metadata"]["name"]] = chosen
    yield Verdict(not_all, NOT_ALL)
    yield Verdict(elsewhere, ELSEWHERE)


def _is_concerned(cycle: Cycle) -> bool:
    return cycle.snapshot.devices.are_asked_for(cycle.pod.obj, cycle.pod.requests)


def _asked(cycle: Cycle) -> Asked | None:
    """What the prefilter has found; where it was not asked, as when others are driven out, it is found anew."""
    known = cycle.memory.get(NAME)
    if known is None:
        try:
            known = cycle.snapshot.devices.asked(cycle.pod.obj)
        except Waits:
            return None
    return known


def _choices(asked: Asked, ground: Ground, node: Object) -> list[Choice] | None:
    try:
        return allocate(asked.open, asked.steps, ground, node)
    except CannotAllocate as error:
        raise CorralError(f'running "{NAME}" filter plugin: {error.message}') from error


def _is_here(claim: Object, node: Object) -> bool:
    allocation = (claim.get("status") or {}).get("allocation") or {}
    selector = allocation.get("nodeSelector")
    return selector is None or matches_terms(selector.get("nodeSelectorTerms") or (), node)


def score(cycle: Cycle, rows: Ints) -> Ints | None:
    """The earlier the alternatives are in their lists that a node has, the better."""
    found: dict[str, list[Choice]] = cycle.memory.get(f"{NAME} choices") or {}
    asked: Asked | None = cycle.memory.get(NAME)
    if asked is None or all(len(step.wishes) == 1 for step in asked.steps):
        return None
    total: Ints = np.zeros(len(rows), np.int64)
    for place, row in enumerate(rows):
        names = {one.wish.name for one in found.get(cycle.nodes.names[int(row)], ())}
        for step in asked.steps:
            chosen = next((number for number, wish in enumerate(step.wishes) if wish.name in names), None)
            if chosen is not None and len(step.wishes) > 1:
                total[place] += MOST_ALTERNATIVES - chosen
    return normalized(total)


PLUGIN: Final = Plugin(NAME, filter, prefilter=prefilter, score=score, weight=2)
