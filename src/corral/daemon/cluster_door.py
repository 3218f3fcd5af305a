"""The door to the API server for pods: it listens on their bridge, and Service `kubernetes` leads there.

Its code is loaded here and nowhere else, so a daemon that serves no Kubernetes pays nothing for it.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from corral.daemon.components import may_be_shared
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.client.members import Members
    from corral.cluster.controllers.kubernetesservice.controller import KubernetesService
    from corral.daemon.kubernetes import Cluster


async def add_door(stack: AsyncExitStack, cluster: Cluster, gateway: str, node: str) -> None:
    """Opens it until `stack` ends. `gateway`: this machine's address on the bridge of the pods; `node`: what the
    machine is called. HostError."""
    from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
    from corral.cluster.apiserver.boot.objects import kubernetes_service
    from corral.cluster.client.members import Members, Place
    from corral.cluster.controllers.kubernetesservice.controller import KubernetesService
    from corral.cluster.controllers.shared import Shared

    port = await cluster.listen(gateway)
    shared = Shared(cluster.api.client(User("system:apiserver", groups=(MASTERS_GROUP,)), "kube-apiserver"))
    shared.informers = cluster.informers
    service = kubernetes_service(str(cluster.services[0][1]), port)
    tasks = Tasks()
    stack.push_async_callback(tasks.close)
    own = Place(gateway, port)
    if not may_be_shared(cluster.store):
        tasks.start("door", KubernetesService(shared, service, lambda: [own]).run())
        return
    members = Members(shared.client, "kubernetes", node, own)
    controller = KubernetesService(shared, service, members.places)
    members.on_change(controller.changed)
    tasks.start("servers", members.run())
    tasks.start("door", _run(members, controller))


async def _run(members: Members, controller: KubernetesService) -> None:
    await members.joined.wait()  # else it would write that there are no others
    await controller.run()
