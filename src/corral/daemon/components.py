"""The components of a cluster that run in the API server's process: each a client like any other, without the network.

Each acts as the user that upstream gives it. They share one copy of every collection.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.apiserver.certificates.pki import Pki
    from corral.cluster.client.informers import Informers
    from corral.cluster.client.usage import Meters
    from corral.cluster.controllers.platform import Means
    from corral.cluster.controllers.shared import Shared


async def add_components(
    stack: AsyncExitStack,
    api: Kubernetes,
    pki: Pki,
    folder: Path,
    meters: Meters,
    scheduling: str,
    node_grace: float,
) -> Informers:
    """Starts them all; `stack` ends them. The copies of objects that they share.

    `folder`: the cluster's own, where local volumes are. `meters`: what autoscalers go by.
    `scheduling`: the scheduler's configuration file, "" for none. `node_grace`: seconds that a node may be silent.
    """
    from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
    from corral.cluster.client.builtin import PODS
    from corral.cluster.client.resource_metrics import ResourceMetrics
    from corral.cluster.controllers.shared import Shared
    from corral.daemon.cluster_means import means

    tasks = Tasks()
    stack.push_async_callback(tasks.close)
    manager = User("system:kube-controller-manager", groups=(MASTERS_GROUP,))
    shared = Shared(api.client(manager, "kube-controller-manager"))
    shared.metrics = ResourceMetrics(meters, shared.informers.of(PODS))
    add_scheduler(tasks, api, shared, scheduling)
    add_controllers(tasks, api, shared, means(api, pki, folder, node_grace=node_grace))
    return shared.informers


def add_controllers(tasks: Tasks, api: Kubernetes, shared: Shared, given: Means) -> None:
    """The controller manager: workloads and the platform. It also keeps up what all share."""
    from corral.cluster.controllers import assembly, platform

    controllers = [*assembly.make(shared), *platform.make(shared, given)]
    task = tasks.start("controllers", assembly.run_all(shared, controllers))
    api.components.checks["controller-manager"] = lambda: "it has ended" if task.done() else ""


def add_scheduler(tasks: Tasks, api: Kubernetes, shared: Shared, file: str) -> None:
    from corral.cluster.apiserver.attributes import User
    from corral.cluster.client.events import Events
    from corral.cluster.scheduler.configuration import load
    from corral.cluster.scheduler.scheduler import Scheduler

    settings = load(Path(file)) if file else None
    client = api.client(User("system:kube-scheduler"), "kube-scheduler")
    events = Events(client)
    tasks.start("scheduler events", events.run())
    task = tasks.start(
        "scheduler", Scheduler(client, shared.informers, events.recorder("default-scheduler"), settings).run()
    )
    api.components.checks["scheduler"] = lambda: "it has ended" if task.done() else ""
