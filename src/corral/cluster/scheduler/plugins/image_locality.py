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
    total, places = np.zeros(len(rows), np.int64), rows.tolist()
    for found in known:
        sizes = np.fromiter((found.get(row, 0) for row in places), np.int64, len(places))
        total += (sizes * (len(found) / len(cycle.nodes.order))).astype(np.int64)
    most = MOST * len(cycle.pod.images)
    return HIGHEST * (np.clip(total, LEAST, most) - LEAST) // (most - LEAST)


PLUGIN: Final = Plugin("ImageLocality", score=score)
