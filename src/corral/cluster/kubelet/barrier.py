"""What the end of a pod waits for: that nobody is led to it any more."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Leaving(NamedTuple):
    """An address of a pod that ends. `node`: on which it is, and whose word that is."""

    address: str
    uid: str
    node: str


# Returns when no new connection is led there any more. The seconds: how long who is asked may say nothing at all; who
# says that it still leads there is waited for.
Barrier = Callable[[Leaving, float], Awaitable[None]]


async def no_barrier(leaving: Leaving, silence: float) -> None:
    """For a node without a proxy: nothing is led anywhere."""
