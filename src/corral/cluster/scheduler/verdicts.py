"""What plugins say about nodes, and how it is told to people. Texts are upstream's. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from corral.cluster.scheduler.snapshot.arrays import Mask

if TYPE_CHECKING:
    from corral.cluster.scheduler.cycle import Cycle
    from corral.cluster.scheduler.snapshot.arrays import Floats, Ints

NO_NODES: Final = "no nodes available to schedule pods"
NOT_HELPFUL: Final = "Preemption is not helpful for scheduling"
NO_VICTIMS: Final = "No preemption victims found for incoming pod"


class Verdict(NamedTuple):
    """Nodes that a plugin does not take. `resolvable`: it might, were some pods not there.

    `joint`: a node is told this and the plugin's other reasons too, not only the first of them.
    """

    refused: Mask
    reason: str
    resolvable: bool = False
    joint: bool = False


class Rejection(NamedTuple):
    """No node at all can be found for this pod now."""

    reason: str


Filter = Callable[["Cycle"], Iterable[Verdict]]
Prefilter = Callable[["Cycle"], Rejection | Verdict | None]
Score = Callable[["Cycle", "Ints"], "Floats | Ints | None"]


@dataclass(frozen=True, slots=True)
class Plugin:
    """`score` gives 0 to 100 for each of the rows it is asked about; None if all are alike to it.

    `about_nodes`: its filter looks at nodes and the pod alone, never at what runs there.
    """

    name: str
    filter: Filter | None = None
    prefilter: Prefilter | None = None
    score: Score | None = None
    weight: int = 1
    about_nodes: bool = False


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
