"""InterPodAffinity: pods that want to be near others, or apart from them. The rules of pods that run count as well."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.cluster.scheduler.plugins import domains
from corral.cluster.scheduler.plugins.normalize import HIGHEST
from corral.cluster.scheduler.pods.terms import PodTerm
from corral.cluster.scheduler.snapshot.arrays import Floats, Ints, Mask, Small
from corral.cluster.scheduler.snapshot.tallies import Description

NOT_NEAR: Final = "node(s) didn't match pod affinity rules"
NOT_APART: Final = "node(s) didn't match pod anti-affinity rules"
OTHERS_APART: Final = "node(s) didn't satisfy existing pods anti-affinity rules"


def filter(cycle: Cycle) -> Iterator[Verdict]:
    pod = cycle.pod
    if pod.rules.near:
        yield Verdict(cycle.of(~_near(cycle, pod.rules.near)), NOT_NEAR)
    for term in pod.rules.apart:
        column = cycle.nodes.labels.column(term.topology_key)
        found = domains.sums(column, _counts(cycle, (term,)))
        yield Verdict((found > 0)[cycle.of(column.ids)], NOT_APART, resolvable=True)
    for term, held in cycle.snapshot.apart.maybe_about(pod.labels):
        if _matches_me(cycle, term):
            column = cycle.nodes.labels.column(term.topology_key)
            found = domains.held_sums(column, held)
            yield Verdict((found > 0)[cycle.of(column.ids)], OTHERS_APART, resolvable=True)


def _counts(cycle: Cycle, terms: tuple[PodTerm, ...]) -> Small:
    return cycle.snapshot.tallies.counts(Description(terms, deleting=True))


def _matches_me(cycle: Cycle, term: PodTerm) -> bool:
    return term.matches(cycle.pod.namespace, cycle.pod.labels, cycle.snapshot.namespace_labels)


def _near(cycle: Cycle, terms: tuple[PodTerm, ...]) -> Mask:
    """Rows in domains that have a pod which matches all terms. The first of a group of pods may go anywhere."""
    labels, counts = cycle.nodes.labels, _counts(cycle, terms)
    labelled, found = cycle.nodes.present.copy(), cycle.nodes.present.copy()
    anywhere = False
    for term in terms:
        column = labels.column(term.topology_key)
        held = domains.sums(column, counts) > 0
        anywhere |= bool(held.any())
        labelled &= column.ids > 0
        found &= held[column.ids]
    if not anywhere and all(_matches_me(cycle, term) for term in terms):
        return labelled
    return found


def score(cycle: Cycle, rows: Ints) -> Ints | None:
    """Weights of the pod's wishes that a domain fulfils, and of the wishes of pods there that this pod fulfils."""
    snapshot, labels = cycle.snapshot, cycle.nodes.labels
    total: Ints = np.zeros(len(rows), np.int64)
    touched = False
    for weight, term in cycle.pod.rules.preferred:
        column = labels.column(term.topology_key)
        total += weight * domains.sums(column, _counts(cycle, (term,)))[column.ids[rows]]
        touched = True
    mine = cycle.pod.labels
    others = [(rule.weight, rule.term, held) for rule, held in snapshot.preferring.maybe_about(mine)]
    if hard := cycle.rules.hard_affinity_weight:
        others += [(hard, term, held) for term, held in snapshot.near.maybe_about(mine)]
    for weight, term, held in others:
        if _matches_me(cycle, term):
            column = labels.column(term.topology_key)
            total += weight * domains.held_sums(column, held)[column.ids[rows]]
            touched = True
    return _normalized(total) if touched else None


def _normalized(raw: Ints) -> Ints:
    """Pure: from the least, 0, to the most, 100.

    >>> _normalized(np.array([-10, 0, 10])).tolist()
    [0, 50, 100]
    """
    low, high = int(raw.min()), int(raw.max())
    if low == high:
        return np.zeros(len(raw), np.int64)
    scaled: Floats = HIGHEST * (raw - low) / (high - low)
    return scaled.astype(np.int64)


PLUGIN: Final = Plugin("InterPodAffinity", filter, score=score, weight=2)
