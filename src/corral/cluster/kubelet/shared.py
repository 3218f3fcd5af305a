"""What all pods of the node share: made once, in `kubelet.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from corral.cluster.client.events import Recorder
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Client
from corral.cluster.kubelet.barrier import Barrier, no_barrier
from corral.cluster.kubelet.devices.manager import Devices
from corral.cluster.kubelet.garbage.collector import ImageCollector
from corral.cluster.kubelet.images import ImagePuller
from corral.cluster.kubelet.index import Index
from corral.cluster.kubelet.settings import Settings
from corral.cluster.kubelet.sources import Sources
from corral.cluster.kubelet.volumes.tokens import Issue
from corral.engine.engine import Engine

Object = dict[str, Any]

AT_ONCE = 8  # containers that are started together


def no_show(pod: Object) -> None:
    """For a node without static pods."""


def alone(uid: str) -> list[Object]:
    """For a pod that has a node to itself."""
    return []


async def no_preemption(uids: Sequence[str]) -> None:
    """For a pod that has a node to itself."""


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
    collector: ImageCollector
    issue: Issue
    services: Informer
    index: Index
    devices: Devices
    network: str = ""
    addresses: tuple[str, ...] = ()
    allocatable: Mapping[str, str] = field(default_factory=dict)
    memory: int = 1
    barrier: Barrier = no_barrier  # of this node's proxy
    neighbours: Barrier = no_barrier  # of all other nodes' proxies
    short_of: Callable[[], frozenset[str]] = frozenset  # the node's conditions that say it is
    others: Callable[[str], list[Object]] = alone  # the pods of the node but that of a uid, as they run
    preempt: Callable[[Sequence[str]], Awaitable[None]] = no_preemption  # returns when those pods have ended
    node_now: Callable[[], Object] = dict  # the Node as it is known here
    apparmor: bool = True  # whether the kernel has it
    show: Callable[[Object], None] = no_show  # a static pod's status goes to its mirror pod
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))
