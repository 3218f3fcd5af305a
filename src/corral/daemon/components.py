"""The components of a cluster that run in the API server's process: each a client like any other, without the network.

Each acts as the user that upstream gives it. They share one copy of every collection.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.client.informers import Informers


async def add_components(stack: AsyncExitStack, api: Kubernetes) -> None:
    """Starts them all; `stack` ends them."""
    from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
    from corral.cluster.client.informers import Informers

    tasks = Tasks()
    stack.push_async_callback(tasks.close)
    informers = Informers(api.client(User("system:kube-controller-manager", groups=(MASTERS_GROUP,)), "corral"))
    add_scheduler(tasks, api, informers)
    tasks.start("informers", informers.run())


def add_scheduler(tasks: Tasks, api: Kubernetes, informers: Informers) -> None:
    from corral.cluster.apiserver.attributes import User
    from corral.cluster.client.events import Events
    from corral.cluster.scheduler.scheduler import Scheduler

    client = api.client(User("system:kube-scheduler"), "kube-scheduler")
    events = Events(client)
    tasks.start("scheduler events", events.run())
    tasks.start("scheduler", Scheduler(client, informers, events.recorder("default-scheduler")).run())
