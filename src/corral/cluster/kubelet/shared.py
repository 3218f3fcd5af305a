"""What all pods of the node share: made once, in `kubelet.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from corral.cluster.client.events import Recorder
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client
from corral.cluster.kubelet.images import ImagePuller
from corral.cluster.kubelet.index import Index
from corral.cluster.kubelet.settings import Settings
from corral.cluster.kubelet.sources import Sources
from corral.cluster.kubelet.volumes.tokens import Issue
from corral.engine.engine import Engine

Object = dict[str, Any]
Barrier = Callable[[str], Awaitable[None]]  # returns when no new connection is led to the address any more
Others = Callable[[str], Iterable[Object]]  # all pods that have a place on this node, but the one with that uid

AT_ONCE = 8  # containers that are started together


async def no_barrier(address: str) -> None:
    """For a node without a proxy: nothing is led anywhere."""


def nobody_else(uid: str) -> Iterable[Object]:
    """For a node that is yet to hear of its pods."""
    return ()


@dataclass
class Shared:
    """`allocatable` and `capacity` are the node's. `addresses` are its own, the first is the one that is shown."""

    engine: Engine
    client: Client
    events: Recorder
    settings: Settings
    node: str
    sources: Sources
    puller: ImagePuller
    issue: Issue
    services: Informer
    index: Index
    network: str = ""
    addresses: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    memory: int = 1
    barrier: Barrier = no_barrier
    others: Others = nobody_else
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
