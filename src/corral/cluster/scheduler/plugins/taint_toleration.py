"""TaintToleration: taints that a pod does not tolerate keep it away, or (PreferNoSchedule) make the node worse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.cluster.scheduler.plugins.normalize import normalized
from corral.cluster.scheduler.snapshot.arrays import Ints
from corral.model.kubernetes.taints import PREFER_NO_SCHEDULE, Taint, first_untolerated, tolerated


def reason(taint: Taint) -> str:
    """
    >>> reason(Taint("gpu", "", "NoSchedule"))
    'node(s) had untolerated taint {gpu: }'
    """
    return f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"


def filter(cycle: Cycle) -> Iterator[Verdict]:
    """Taints are looked at once for each set of them, however many nodes have it."""
    nodes, known = cycle.nodes, cycle.pod.tolerations
    by_reason: dict[str, list[int]] = {}
    for number, found in enumerate(nodes.taint_sets):
        taint = first_untolerated(found, known)
        if taint is not None:
            by_reason.setdefault(reason(taint), []).append(number)
    for text, numbers in by_reason.items():
        chosen = np.zeros(len(nodes.taint_sets), np.bool_)
        chosen[numbers] = True
        yield Verdict(chosen[cycle.of(nodes.taint_set)], text)


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
