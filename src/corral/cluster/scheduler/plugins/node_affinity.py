"""NodeAffinity: nodeSelector and node affinity, required and preferred."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.cluster.scheduler.plugins.normalize import normalized
from corral.cluster.scheduler.pods import terms
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.pods.terms import NodeTerm
from corral.cluster.scheduler.snapshot.arrays import Ints, Mask
from corral.cluster.scheduler.snapshot.nodes import Nodes
from corral.model.kubernetes.selectors.requirements import IN

REASON: Final = "node(s) didn't match Pod's node affinity/selector"
ENFORCED: Final = "node(s) didn't match scheduler-enforced node affinity"


def prefilter(cycle: Cycle) -> Verdict | None:
    """Rules that name their nodes: no other node need be looked at."""
    names = named(cycle.pod)
    if names is None:
        return None
    return Verdict(cycle.of(~_rows_named(cycle.nodes, names)), REASON)


def named(pod: Pod) -> frozenset[str] | None:
    """Pure: the only nodes that the pod's required affinity can match, if it names them in each of its terms."""
    found: frozenset[str] = frozenset()
    for term in pod.required_nodes or ():
        names = term.only_names
        if names is None:
            return None
        found |= names
    return found if pod.required_nodes else None


def filter(cycle: Cycle) -> Iterator[Verdict]:
    added = (cycle.rules.added_affinity or {}).get("requiredDuringSchedulingIgnoredDuringExecution")
    if added is not None:
        yield Verdict(cycle.of(~any_of(cycle.nodes, terms.node_terms(added) or ())), ENFORCED)
    pod = cycle.pod
    if pod.node_selector or pod.required_nodes is not None:
        yield Verdict(cycle.of(~matching(cycle.nodes, pod)), REASON)


def matching(nodes: Nodes, pod: Pod) -> Mask:
    """Which rows the pod's nodeSelector and required affinity select."""
    found = np.ones(nodes.rows, np.bool_)
    for requirement in pod.node_selector:
        found &= nodes.labels.matching(requirement)
    if pod.required_nodes is not None:
        found &= any_of(nodes, pod.required_nodes)
    return found


def any_of(nodes: Nodes, given: Sequence[NodeTerm]) -> Mask:
    found = np.zeros(nodes.rows, np.bool_)
    for term in given:
        found |= rows_of(nodes, term)
    return found


def rows_of(nodes: Nodes, term: NodeTerm) -> Mask:
    """The rows that one term selects; a term without requirements selects none."""
    if not term.labels and not term.names:
        return np.zeros(nodes.rows, np.bool_)
    found = np.ones(nodes.rows, np.bool_)
    for requirement in term.labels:
        found &= nodes.labels.matching(requirement)
    for requirement in term.names:
        chosen = _rows_named(nodes, requirement.values)
        found &= chosen if requirement.operator == IN else ~chosen
    return found


def _rows_named(nodes: Nodes, names: Sequence[str] | frozenset[str]) -> Mask:
    found = np.zeros(nodes.rows, np.bool_)
    found[[nodes.row_of[name] for name in names if name in nodes.row_of]] = True
    return found


def score(cycle: Cycle, rows: Ints) -> Ints | None:
    """The sum of the weights of the preferred terms that a node matches."""
    preferred = (*terms.preferred_nodes(cycle.rules.added_affinity or {}), *cycle.pod.preferred_nodes)
    if not preferred:
        return None
    total: Ints = np.zeros(len(rows), np.int64)
    for weight, term in preferred:
        total += rows_of(cycle.nodes, term)[rows] * weight
    return normalized(total)


PLUGIN: Final = Plugin("NodeAffinity", filter, prefilter, score, weight=2, about_nodes=True)
