"""All controllers, by name. `run` is the controller manager."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from corral.cluster.client.protocol import Client
from corral.cluster.controllers.autoscaling.controller import AutoscalerController
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.cronjob.controller import CronJobController
from corral.cluster.controllers.daemonset.controller import DaemonSetController
from corral.cluster.controllers.deployment.controller import DeploymentController
from corral.cluster.controllers.disruption.controller import DisruptionController
from corral.cluster.controllers.job.controller import JobController
from corral.cluster.controllers.replicaset.controller import make_replica_sets, make_replication_controllers
from corral.cluster.controllers.shared import Shared
from corral.cluster.controllers.statefulset.controller import StatefulSetController
from corral.cluster.controllers.ttl.controller import TtlController

# What makes each, under upstream's name of the controller.
CONTROLLERS: Final[Mapping[str, Callable[[Shared], Controller]]] = MappingProxyType(
    {
        "cronjob-controller": CronJobController,
        "daemonset-controller": DaemonSetController,
        "deployment-controller": DeploymentController,
        "disruption-controller": DisruptionController,
        "horizontal-pod-autoscaler-controller": AutoscalerController,
        "job-controller": JobController,
        "replicaset-controller": make_replica_sets,
        "replicationcontroller-controller": make_replication_controllers,
        "statefulset-controller": StatefulSetController,
        "ttl-after-finished-controller": TtlController,
    }
)


def make(shared: Shared, names: Iterable[str] = CONTROLLERS) -> list[Controller]:
    """The controllers, not yet running. KeyError for a name that is none."""
    return [CONTROLLERS[name](shared) for name in names]


async def run(client: Client, names: Iterable[str] = CONTROLLERS) -> None:
    """Runs them, with their informers and their events, until it is cancelled."""
    await run_all(shared := Shared(client), make(shared, names))


async def run_all(shared: Shared, controllers: Iterable[Controller]) -> None:
    """Runs controllers that were made with `shared`, until it is cancelled."""
    async with asyncio.TaskGroup() as group:
        group.create_task(shared.informers.run(), name="informers")
        group.create_task(shared.events.run(), name="events")
        for controller in controllers:
            group.create_task(controller.run(), name=controller.name)
