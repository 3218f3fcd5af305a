"""Raw scores as 0 to 100. Pure."""

from __future__ import annotations

from corral.cluster.scheduler.snapshot.arrays import Ints

HIGHEST = 100


def normalized(raw: Ints, *, reverse: bool = False) -> Ints:
    """The highest becomes 100; reversed the lowest is best.

    >>> import numpy as np
    >>> normalized(np.array([0, 1, 3])).tolist(), normalized(np.array([0, 1, 3]), reverse=True).tolist()
    ([0, 33, 100], [100, 67, 0])
    """
    top = int(raw.max()) if len(raw) else 0
    scaled = raw * HIGHEST // top if top else raw
    return HIGHEST - scaled if reverse else scaled
