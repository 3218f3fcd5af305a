"""NodeName: a pod that names its node gets that one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict

REASON: Final = "node(s) didn't match the requested node name"


def filter(cycle: Cycle) -> Iterator[Verdict]:
    if cycle.pod.node:
        refused = np.ones(cycle.nodes.rows, np.bool_)
        row = cycle.nodes.row_of.get(cycle.pod.node)
        if row is not None:
            refused[row] = False
        yield Verdict(cycle.of(refused), REASON)


PLUGIN: Final = Plugin("NodeName", filter, about_nodes=True)
