"""The components of a cluster that run in the API server's process: each a client like any other, without the network.

Each acts as the user that upstream gives it. They share one copy of every collection. Where several servers have one
store, a Lease of upstream's name says which of them runs the controllers, and which the scheduler.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import uuid
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.apiserver.attributes import User
    from corral.cluster.apiserver.certificates.pki import Pki
    from corral.cluster.client.informers import Informers
    from corral.cluster.client.leader import Terms
    from corral.cluster.client.protocol import Client
    from corral.cluster.client.usage import Meters
    from corral.cluster.controllers.platform import Means
    from corral.cluster.controllers.shared import Shared
    from corral.store.interface import Store

log = logging.getLogger("corral.daemon")


async def add_components(
    stack: AsyncExitStack,
    api: Kubernetes,
    pki: Pki,
    folder: Path,
    meters: Meters,
    scheduling: str,
    node_grace: float,
    *,
    elected: bool = False,
) -> Informers:
    """Starts them all; `stack` ends them. The copies of objects that all of this process share.

    `folder`: the cluster's own, where local volumes are. `meters`: what autoscalers go by.
    `scheduling`: the scheduler's configuration file, "" for none. `node_grace`: seconds that a node may be silent.
    `elected`: there may be other servers on the same store, of which one runs controllers, and one the scheduler.
    """
    from corral.daemon.cluster_means import means

    tasks = Tasks()
    stack.push_async_callback(tasks.close)
    shared, given = make_shared(api, meters), means(api, pki, folder, node_grace=node_grace)
    if not elected:
        # Nobody else can be at work: neither an election nor copies of their own are needed.
        controllers = tasks.start("controllers", run_controllers(shared, given))
        _show(api, controllers, tasks.start("scheduler", run_scheduler(api, shared.informers, scheduling)))
        return shared.informers
    tasks.start("informers", shared.informers.run())
    identity = f"{socket.gethostname()}_{await asyncio.to_thread(read_id, folder)}"
    client, scheduler = shared.client, api.client(scheduler_user(), "kube-scheduler")
    work = partial(lead_controllers, api, meters, given)
    controllers = tasks.start("controllers", lead(client, "kube-controller-manager", identity, work))
    schedule = partial(lead_scheduler, api, scheduling)
    _show(api, controllers, tasks.start("scheduler", lead(scheduler, "kube-scheduler", identity, schedule)))
    return shared.informers


def read_id(folder: Path) -> str:
    """This server's, made at the first call. One that was killed leads again at once: nobody else is called so, and of
    its processes the instance's lock lets one run. HostError."""
    from corral.cluster.apiserver.certificates import files

    path = folder / "server-id"
    if not (known := files.read(path)):  # or a loss of power left an empty file
        files.write(path, known := str(uuid.uuid4()))
    return known


def _show(api: Kubernetes, controllers: asyncio.Task[None], scheduler: asyncio.Task[None]) -> None:
    """`kubectl get componentstatuses` tells whether they work."""
    for name, task in (("controller-manager", controllers), ("scheduler", scheduler)):
        api.components.checks[name] = partial(_problem, task)


def _problem(task: asyncio.Task[None]) -> str:
    return "it has ended" if task.done() else ""


def may_be_shared(store: Store) -> bool:
    """Whether other servers may have the same store open: SQLite's file and memory are one process' own."""
    from corral.store.memory import MemoryStore
    from corral.store.sqlite import SqliteStore

    return not isinstance(store, SqliteStore | MemoryStore)


def make_shared(api: Kubernetes, meters: Meters) -> Shared:
    from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
    from corral.cluster.client.builtin import PODS
    from corral.cluster.client.resource_metrics import ResourceMetrics
    from corral.cluster.controllers.shared import Shared

    manager = User("system:kube-controller-manager", groups=(MASTERS_GROUP,))
    shared = Shared(api.client(manager, "kube-controller-manager"))
    shared.metrics = ResourceMetrics(meters, shared.informers.of(PODS))
    return shared


def scheduler_user() -> User:
    from corral.cluster.apiserver.attributes import User

    return User("system:kube-scheduler")


async def run_controllers(shared: Shared, given: Means) -> None:
    """The controller manager: workloads and the platform. It also keeps up what all share."""
    from corral.cluster.controllers import assembly, platform

    await assembly.run_all(shared, [*assembly.make(shared), *platform.make(shared, given)])


async def run_scheduler(api: Kubernetes, informers: Informers, file: str) -> None:
    from corral.cluster.apiserver.cel import devices
    from corral.cluster.client.events import Events
    from corral.cluster.scheduler.configuration import load
    from corral.cluster.scheduler.scheduler import Scheduler

    settings = load(Path(file)) if file else None
    client = api.client(scheduler_user(), "kube-scheduler")
    events = Events(client)
    judge = partial(devices.judge, api.expressions)
    async with asyncio.TaskGroup() as group:
        group.create_task(events.run(), name="scheduler events")
        scheduler = Scheduler(client, informers, events.recorder("default-scheduler"), settings, judge=judge)
        group.create_task(scheduler.run(), name="scheduler")


async def lead_controllers(api: Kubernetes, meters: Meters, given: Means) -> None:
    """One term: with copies of its own, which go with it."""
    await run_controllers(make_shared(api, meters), given)


async def lead_scheduler(api: Kubernetes, file: str) -> None:
    from corral.cluster.client.informers import Informers

    informers = Informers(api.client(scheduler_user(), "kube-scheduler"))
    async with asyncio.TaskGroup() as group:
        group.create_task(informers.run(), name="scheduler informers")
        group.create_task(run_scheduler(api, informers, file), name="scheduler")


async def lead(
    client: Client, name: str, identity: str, work: Callable[[], Awaitable[None]], terms: Terms | None = None
) -> None:
    """Works whenever this process holds the Lease; who has lost it waits for its turn again."""
    from corral.cluster.client.leader import DEFAULT_TERMS, Elector, LostLease

    while True:
        try:
            await Elector(client, name, identity, terms=terms or DEFAULT_TERMS).run(work)
            return
        except LostLease as error:
            log.warning("%s: %s", name, error.message)
