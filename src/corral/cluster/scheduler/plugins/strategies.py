"""How good a node is by what of a resource is taken there: NodeResourcesFit's scoring strategies. Pure.

`taken` counts the pod in question; `capacity` is 0 where there is none of it, and such nodes' scores do not count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np

from corral.cluster.scheduler.plugins.normalize import HIGHEST
from corral.cluster.scheduler.snapshot.arrays import Ints

Shape = Sequence[tuple[int, int]]

LEAST: Final = "LeastAllocated"
MOST: Final = "MostAllocated"
RATIO: Final = "RequestedToCapacityRatio"


def least(taken: Ints, capacity: Ints, shape: Shape = ()) -> Ints:
    """The share that stays free.

    >>> import numpy as np
    >>> least(np.array([1000, 5000]), np.array([4000, 4000])).tolist()
    [75, 0]
    """
    found: Ints = np.maximum(capacity - taken, 0) * HIGHEST // np.maximum(capacity, 1)
    return found


def most(taken: Ints, capacity: Ints, shape: Shape = ()) -> Ints:
    """The share that is taken: nodes are filled one after the other.

    >>> import numpy as np
    >>> most(np.array([1000, 5000]), np.array([4000, 4000])).tolist()
    [25, 100]
    """
    found: Ints = np.minimum(taken, capacity) * HIGHEST // np.maximum(capacity, 1)
    return found


def ratio(taken: Ints, capacity: Ints, shape: Shape) -> Ints:
    """By straight lines from point to point of `shape`; in whole numbers, as upstream counts.

    >>> import numpy as np
    >>> ratio(np.array([0, 100, 300, 500]), np.array([400] * 4), [(0, 0), (50, 100), (100, 30)]).tolist()
    [0, 50, 65, 30]
    """
    full = (capacity <= 0) | (taken > capacity)
    percent = np.where(full, HIGHEST, taken * HIGHEST // np.maximum(capacity, 1))
    found = np.full(len(percent), shape[-1][1], np.int64)
    for (low, before), (high, after) in reversed(list(pairwise(shape))):
        part = (after - before) * (percent - low)
        step = np.sign(part) * (np.abs(part) // (high - low))
        found = np.where(percent <= high, before + step, found)
    return np.where(percent <= shape[0][0], shape[0][1], found)


SCORES: Final[Mapping[str, Callable[[Ints, Ints, Shape], Ints]]] = {LEAST: least, MOST: most, RATIO: ratio}


def mean(total: Ints, weights: Ints, kind: str) -> Ints:
    """Rounded down, but for the curve, which upstream rounds to the nearest.

    >>> import numpy as np
    >>> mean(np.array([75]), np.array([2]), MOST).tolist(), mean(np.array([75]), np.array([2]), RATIO).tolist()
    ([37], [38])
    """
    some = np.maximum(weights, 1)
    return (2 * total + some) // (2 * some) if kind == RATIO else total // some
