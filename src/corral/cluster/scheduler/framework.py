"""What a plugin is, what it is asked and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.pods.terms import PodTerm
from corral.cluster.scheduler.settings import Strategy
from corral.cluster.scheduler.snapshot.arrays import Floats, Ints, Mask
from corral.cluster.scheduler.snapshot.nodes import Nodes
from corral.cluster.scheduler.snapshot.snapshot import Snapshot

Column = TypeVar("Column", bound=npt.NDArray[Any])


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


@dataclass(frozen=True, slots=True)
class Rules:
    """A profile, ready for use: its plugins and what they are told."""

    name: str
    plugins: tuple[Plugin, ...]
    percentage: int = 0  # of nodes to find before the best is taken; 0: by the cluster's size
    hard_affinity_weight: int = 1
    default_spread: tuple[tuple[str, int, bool], ...] | None = (
        None  # (topology key, max skew, hard); None: the system's
    )
    added_affinity: dict[str, Any] | None = None
    strategy: Strategy = field(default_factory=Strategy)


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known beyond the pod. `kind`: the pods of its Services and controller, which are spread by default."""

    kind: PodTerm | None = None


@dataclass
class Cycle:
    """What plugins look at: `rows` are the nodes in question, all of them (a slice from 0 on) or some."""

    snapshot: Snapshot
    pod: Pod
    rules: Rules
    rows: slice | Ints
    hints: Hints = field(default_factory=Hints)
    memory: dict[str, Any] = field(default_factory=dict)  # from a plugin's filter to its score

    @property
    def nodes(self) -> Nodes:
        return self.snapshot.nodes

    @classmethod
    def over_all(cls, snapshot: Snapshot, pod: Pod, rules: Rules, hints: Hints) -> Cycle:
        return cls(snapshot, pod, rules, slice(0, snapshot.nodes.top), hints)

    @cached_property
    def count(self) -> int:
        return int(self.rows.stop) if isinstance(self.rows, slice) else len(self.rows)

    def of(self, column: Column) -> Column:
        """A column's part for the rows in question."""
        return column[..., self.rows]  # type: ignore[return-value]

    def none(self) -> Mask:
        return np.zeros(self.count, np.bool_)

    def all(self) -> Mask:
        return np.ones(self.count, np.bool_)
