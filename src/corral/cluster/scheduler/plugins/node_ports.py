"""NodePorts: two pods cannot have the same port of a host, unless on different addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict

REASON: Final = "node(s) didn't have free ports for the requested pod ports"
ANY: Final = "0.0.0.0"


def collide(address: str, taken: Iterable[str]) -> bool:
    """Pure.

    >>> collide("10.0.0.1", ["10.0.0.2"]), collide("0.0.0.0", ["10.0.0.2"]), collide("10.0.0.1", ["0.0.0.0"])
    (False, True, True)
    """
    return any(ANY in (address, other) or address == other for other in taken)


def filter(cycle: Cycle) -> Iterator[Verdict]:
    if not cycle.pod.ports:
        return
    refused = np.zeros(cycle.nodes.rows, np.bool_)
    for port in cycle.pod.ports:
        for row, taken in cycle.snapshot.ports.get((port.protocol, port.number), {}).items():
            if collide(port.address, taken):
                refused[row] = True
    yield Verdict(cycle.of(refused), REASON, resolvable=True)


PLUGIN: Final = Plugin("NodePorts", filter)
