"""PodTopologySpread: pods of a kind are spread over zones, hosts or other domains. Follows KEP-895."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.cluster.scheduler.plugins import domains, node_affinity
from corral.cluster.scheduler.plugins.normalize import HIGHEST
from corral.cluster.scheduler.pods.terms import PodTerm, Spread
from corral.cluster.scheduler.snapshot.arrays import Floats, Ints, Mask, Small
from corral.cluster.scheduler.snapshot.tallies import Description
from corral.model.kubernetes.labels import HOSTNAME, ZONE
from corral.model.kubernetes.taints import first_untolerated

REASON: Final = "node(s) didn't match pod topology spread constraints"
NO_LABEL: Final = f"{REASON} (missing required label)"
SYSTEM_DEFAULTS: Final = ((HOSTNAME, 3, False), (ZONE, 5, False))


def constraints(cycle: Cycle, hard: bool) -> Sequence[Spread]:
    """The pod's own, else the defaults for what its Services and controllers select."""
    own = cycle.pod.rules.spread
    if own:
        return [one for one in own if one.hard == hard]
    kind = cycle.hints.kind
    if kind is None:
        return []
    defaults = SYSTEM_DEFAULTS if cycle.rules.default_spread is None else cycle.rules.default_spread
    return [Spread(_on(kind, key), skew, hard) for key, skew, must in defaults if must == hard]


def filter(cycle: Cycle) -> Iterator[Verdict]:
    wanted = constraints(cycle, hard=True)
    if not wanted:
        return
    eligible = _labelled(cycle, wanted)
    for one in wanted:
        column = cycle.nodes.labels.column(one.topology_key)
        counted = eligible & _included(cycle, one)
        ids = cycle.of(column.ids)
        yield Verdict(ids == 0, NO_LABEL)
        found = domains.sums(column, pods(cycle, one), counted)
        known = domains.present(column, counted)
        fewest = int(found[known].min()) if known.any() else 0
        if np.count_nonzero(known) < one.min_domains:
            fewest = 0
        own = int(one.term.selector.matches(cycle.pod.labels))
        yield Verdict((found + own - fewest > one.max_skew)[ids], REASON, resolvable=True)


@functools.lru_cache(maxsize=1024)
def _on(kind: PodTerm, topology_key: str) -> PodTerm:
    return replace(kind, topology_key=topology_key)


def pods(cycle: Cycle, one: Spread) -> Small:
    """How many pods of the constraint's kind each row has; those that are being deleted do not count."""
    return cycle.snapshot.tallies.counts(Description((one.term,), deleting=False))


def _labelled(cycle: Cycle, wanted: Sequence[Spread]) -> Mask:
    """The nodes that have the labels of all constraints."""
    found = cycle.nodes.present.copy()
    for one in wanted:
        found &= cycle.nodes.labels.column(one.topology_key).ids > 0
    return found


def _included(cycle: Cycle, one: Spread) -> Mask:
    """The nodes that count, by the constraint's policies."""
    nodes, pod = cycle.nodes, cycle.pod
    found = nodes.present
    if one.honour_affinity and (pod.node_selector or pod.required_nodes is not None):
        found = found & node_affinity.matching(nodes, pod)
    if one.honour_taints:
        fine = [first_untolerated(each, pod.tolerations) is None for each in nodes.taint_sets]
        found = found & np.array(fine)[nodes.taint_set]
    return found


def score(cycle: Cycle, rows: Ints) -> Ints | None:
    """The fewer pods of the kind in a node's domains, the better; a domain counts by how many of its sort there are."""
    wanted = constraints(cycle, hard=False)
    if not wanted:
        return None
    labels = cycle.nodes.labels
    must_have = bool(cycle.pod.rules.spread) or cycle.rules.default_spread is not None
    everywhere = _labelled(cycle, wanted) if must_have else cycle.nodes.present
    ignored = ~everywhere[rows]
    raw: Floats = np.zeros(len(rows), np.float64)
    for one in wanted:
        column = labels.column(one.topology_key)
        ids, counts = column.ids[rows], pods(cycle, one)
        if one.topology_key == HOSTNAME:
            size = len(rows) - int(np.count_nonzero(ignored))
            found = counts[rows].astype(np.int64)
        else:
            size = int(np.count_nonzero(np.bincount(ids[~ignored], minlength=1)[1:]))
            found = domains.sums(column, counts, everywhere & _included(cycle, one))[ids]
        raw += np.where(ids > 0, found * math.log(size + 2) + (one.max_skew - 1), 0.0)
    return _normalized(np.rint(raw).astype(np.int64), ignored)


def _normalized(raw: Ints, ignored: Mask) -> Ints:
    """Pure: the emptiest domains get 100; nodes that lack a label get nothing.

    >>> _normalized(np.array([0, 2, 4]), np.array([False, False, True])).tolist()
    [100, 0, 0]
    """
    counted = raw[~ignored]
    if not len(counted):
        return np.zeros(len(raw), np.int64)
    low, high = int(counted.min()), int(counted.max())
    found = np.full(len(raw), HIGHEST, np.int64) if high == 0 else HIGHEST * (high + low - raw) // high
    return np.where(ignored, 0, found)


PLUGIN: Final = Plugin("PodTopologySpread", filter, score=score, weight=2)
