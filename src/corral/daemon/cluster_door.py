"""The door to the API server for pods: it listens on their bridge, and Service `kubernetes` leads there.

Its code is loaded here and nowhere else, so a daemon that serves no Kubernetes pays nothing for it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.daemon.kubernetes import Cluster


async def add_door(stack: AsyncExitStack, cluster: Cluster, gateway: str) -> None:
    """Opens it until `stack` ends. `gateway`: this machine's address on the bridge of the pods. HostError."""
    from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
    from corral.cluster.apiserver.boot.objects import kubernetes_service
    from corral.cluster.controllers.kubernetesservice.controller import KubernetesService
    from corral.cluster.controllers.shared import Shared

    port = await cluster.listen(gateway)
    shared = Shared(cluster.api.client(User("system:apiserver", groups=(MASTERS_GROUP,)), "kube-apiserver"))
    shared.informers = cluster.informers
    service = kubernetes_service(str(cluster.services[1]), port)
    tasks = Tasks()
    stack.push_async_callback(tasks.close)
    tasks.start("door", KubernetesService(shared, service, gateway, port).run())
