"""ImageLocality: a node that has the pod's images already need not fetch them."""

from __future__ import annotations

from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin
from corral.cluster.scheduler.plugins.normalize import HIGHEST
from corral.cluster.scheduler.snapshot.arrays import Ints

MB: Final = 1024 * 1024
LEAST: Final = 23 * MB  # less is fetched in no time
MOST: Final = 1000 * MB  # of each container


def score(cycle: Cycle, rows: Ints) -> Ints | None:
    """The size of the images that are there, each times the share of nodes that have it."""
    images = cycle.nodes.images
    known = [found for name in cycle.pod.images if (found := images.get(name))]
    if not known:
        return None
    total, nodes = np.zeros(cycle.nodes.rows, np.int64), len(cycle.nodes.order)
    for found in known:
        share = len(found) / nodes
        for row, size in found.items():
            total[row] += int(size * share)
    most = MOST * len(cycle.pod.images)
    return HIGHEST * (np.clip(total[rows], LEAST, most) - LEAST) // (most - LEAST)


PLUGIN: Final = Plugin("ImageLocality", score=score)
