"""Why a pod fits nowhere, and how it is told to people. Texts are upstream's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from corral.cluster.scheduler.snapshot.arrays import Mask

NO_NODES: Final = "no nodes available to schedule pods"


class Failure(NamedTuple):
    plugin: str
    refused: Mask
    reason: str
    resolvable: bool


@dataclass(slots=True)
class Diagnosis:
    """Why nodes were refused. `rejection`: why the pod was, before any node was looked at."""

    nodes: int
    failures: list[Failure] = field(default_factory=list)
    rejection: str = ""
    rejected_by: str = ""
    preemption: str = ""

    @property
    def plugins(self) -> frozenset[str]:
        """Who must be satisfied before another try makes sense."""
        return frozenset((self.rejected_by,)) if self.rejected_by else frozenset(one.plugin for one in self.failures)

    @property
    def reasons(self) -> frozenset[str]:
        return frozenset(one.reason for one in self.failures)

    def resolvable(self, rows: int) -> Mask:
        """The nodes that were refused only because of pods that run there."""
        some, never = np.zeros(rows, np.bool_), np.zeros(rows, np.bool_)
        for one in self.failures:
            if one.resolvable:
                some |= one.refused
            else:
                never |= one.refused
        return some & ~never

    def message(self) -> str:
        if not self.nodes:
            return NO_NODES
        reasons = {one.reason: 0 for one in self.failures}
        for one in self.failures:
            reasons[one.reason] += int(np.count_nonzero(one.refused))
        return fit_error(self.nodes, reasons, self.rejection, self.preemption)


def fit_error(nodes: int, reasons: Mapping[str, int], rejection: str = "", after: str = "") -> str:
    """
    >>> fit_error(3, {"Insufficient cpu": 2, "node(s) were unschedulable": 1})
    '0/3 nodes are available: 1 node(s) were unschedulable, 2 Insufficient cpu.'
    >>> fit_error(3, {}, "pod has unbound immediate PersistentVolumeClaims", "preemption: none.")
    '0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: none.'
    """
    told = rejection or ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items() if count))
    text = f"0/{nodes} nodes are available:" + (f" {told}." if told else "")
    return f"{text} {after}" if after else text
