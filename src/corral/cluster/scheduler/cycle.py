"""One pod's decision: which node does it get, or why none? Pure.

::

    prefilter ──> filter (all nodes) ──> as many as are wanted, from where the last pod's look ended ──> score ──> best
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from corral.cluster.scheduler.diagnosis import Diagnosis, Failure
from corral.cluster.scheduler.framework import Cycle, Hints, Rejection, Rules, Verdict
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.snapshot.arrays import Floats, Ints, Mask
from corral.cluster.scheduler.snapshot.snapshot import Snapshot

Choose = Callable[[int], int]  # a number below the given one

FEWEST = 100  # nodes that are looked at in any case


class Decision(NamedTuple):
    """`node`: its name, "" for none, which the diagnosis explains. `next`: where the next pod's look begins."""

    node: str
    diagnosis: Diagnosis
    next: int
    found: int = 0


class Fitting(NamedTuple):
    """Which of the rows in question take the pod, and why the others do not."""

    fit: Mask
    failures: list[Failure]
    rejection: str = ""
    rejected_by: str = ""


def wanted_nodes(nodes: int, percentage: int) -> int:
    """Pure: how many nodes that fit are enough to choose among. Follows upstream's numFeasibleNodesToFind.

    >>> [wanted_nodes(nodes, 0) for nodes in (50, 1000, 5000, 10000)]
    [50, 420, 500, 500]
    """
    if nodes < FEWEST:
        return nodes
    share = percentage or max(5, 50 - nodes // 125)
    return max(nodes * min(share, 100) // 100, FEWEST)


def fitting(cycle: Cycle) -> Fitting:
    """Asks the plugins one after the other; a node that one has refused the next is not asked about."""
    fit = cycle.of(cycle.nodes.present).copy()
    failures: list[Failure] = []
    excluded = cycle.none()
    excluders = []
    for plugin in cycle.rules.plugins:
        early = plugin.prefilter(cycle) if plugin.prefilter is not None else None
        if isinstance(early, Rejection):
            return Fitting(cycle.none(), [], early.reason, plugin.name)
        if early is not None:
            excluded |= early.refused
            excluders.append(plugin.name)
    if excluders:
        # As upstream tells of nodes that were left out before the filters.
        reason = f"node(s) didn't satisfy plugin(s) [{' '.join(sorted(excluders))}]"
        _refuse(fit, failures, excluders[0], [Verdict(excluded, reason)])
    _about_nodes(cycle, fit, failures)
    for plugin in cycle.rules.plugins:
        if plugin.filter is not None and not plugin.about_nodes:
            if not fit.any():
                break
            _refuse(fit, failures, plugin.name, plugin.filter(cycle))
    return Fitting(fit, failures)


def fits_there(cycle: Cycle) -> list[str]:
    """Why the one row in question does not take the pod, for what runs there; nothing if it does."""
    fit, failures = cycle.all(), list[Failure]()
    for plugin in cycle.rules.plugins:
        if plugin.filter is not None and not plugin.about_nodes:
            _refuse(fit, failures, plugin.name, plugin.filter(cycle))
            if failures:
                return [one.reason for one in failures]
    return []


def _refuse(fit: Mask, failures: list[Failure], plugin: str, verdicts: Iterable[Verdict]) -> None:
    before: Mask | None = None
    for verdict in verdicts:
        if verdict.joint and before is None:
            before = fit.copy()
        refused = verdict.refused & (before if verdict.joint and before is not None else fit)
        if refused.any():
            failures.append(Failure(plugin, refused, verdict.reason, verdict.resolvable))
            np.logical_and(fit, ~refused, out=fit)


def _about_nodes(cycle: Cycle, fit: Mask, failures: list[Failure]) -> None:
    """The plugins that look at nodes alone; for all nodes their answer is kept until a node changes."""
    plugins = [one for one in cycle.rules.plugins if one.about_nodes and one.filter is not None]
    if failures or not isinstance(cycle.rows, slice):
        for plugin in plugins:
            _refuse(fit, failures, plugin.name, plugin.filter(cycle) if plugin.filter else ())
        return
    kept, key = cycle.snapshot.kept, (cycle.rules.name, cycle.pod.nodes_key)
    known = kept.get(key)
    if known is None or known[0] != cycle.nodes.version:
        for plugin in plugins:
            _refuse(fit, failures, plugin.name, plugin.filter(cycle) if plugin.filter else ())
        kept.put(key, (cycle.nodes.version, fit.copy(), tuple(failures)))
        return
    fit[:] = known[1]
    failures.extend(known[2])


def scores(cycle: Cycle, rows: Ints) -> Floats:
    total: Floats = np.zeros(len(rows), np.float64)
    for plugin in cycle.rules.plugins:
        if plugin.score is not None:
            found = plugin.score(cycle, rows)
            if found is not None:
                total += found * plugin.weight
    return total


def best(rows: Ints, found: Floats, choose: Choose) -> int:
    """Pure: a row with the highest score; of several one is drawn."""
    highest = np.flatnonzero(found == found.max())
    return int(rows[highest[choose(len(highest))] if len(highest) > 1 else highest[0]])


def some_of(fit: Mask, order: Ints, start: int, wanted: int) -> tuple[Ints, int]:
    """Pure: the first rows that fit, looked for in `order` from place `start` on; and where the look ended.

    >>> rows, end = some_of(np.array([True, False, True, True]), np.array([0, 1, 2, 3]), 1, 2)
    >>> rows.tolist(), end
    ([2, 3], 0)
    """
    places = np.flatnonzero(fit[order])
    if len(places) <= wanted:
        return order[places], start
    at = int(np.searchsorted(places, start))
    chosen = places[at : at + wanted]
    if len(chosen) < wanted:
        chosen = np.concatenate((chosen, places[: wanted - len(chosen)]))
    return order[chosen], (int(chosen[-1]) + 1) % len(order)


def decide(
    snapshot: Snapshot,
    pod: Pod,
    rules: Rules,
    choose: Choose,
    start: int = 0,
    nominated: Sequence[tuple[Pod, str]] = (),
    hints: Hints | None = None,
) -> Decision:
    """The node for a pod. `nominated`: pods, no less important, that wait for room on their nodes.

    A node must take the pod both with and without those that wait for it: they may never come.
    """
    hints = hints or Hints()
    nodes = snapshot.nodes
    order = nodes.order
    start = start % len(order) if len(order) else 0
    cycle = Cycle.over_all(snapshot, pod, rules, hints)
    found = fitting(cycle)
    if nominated and not found.rejection:
        with snapshot.with_pods(nominated):
            crowded = fitting(Cycle.over_all(snapshot, pod, rules, hints))
        more = [one._replace(refused=one.refused & found.fit) for one in crowded.failures]
        failures = [*found.failures, *(one for one in more if one.refused.any())]
        found = Fitting(found.fit & crowded.fit, failures, crowded.rejection, crowded.rejected_by)
    diagnosis = Diagnosis(len(order), found.failures, found.rejection, found.rejected_by)
    if not found.fit.any():
        return Decision("", diagnosis, start)
    pending = pod.nominated
    if pending in nodes.row_of and found.fit[nodes.row_of[pending]]:
        return Decision(pending, diagnosis, start, 1)
    rows, end = some_of(found.fit, order, start, wanted_nodes(len(order), rules.percentage))
    if len(rows) == 1:
        return Decision(nodes.names[int(rows[0])], diagnosis, end, 1)
    return Decision(nodes.names[best(rows, scores(cycle, rows), choose)], diagnosis, end, len(rows))
