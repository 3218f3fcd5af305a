"""This machine as a node of its own cluster: the kubelet as a part of the daemon.

Its code is loaded here and nowhere else, so a daemon that serves no Kubernetes pays nothing for it.
"""

from __future__ import annotations

import logging
import re
import socket
import time
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from corral.cli.instance import Instance
from corral.daemon.cluster_door import add_door
from corral.daemon.cluster_network import add_network
from corral.engine.engine import Engine
from corral.errors import HostError
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.kubelet.volumes.tokens import Issue
    from corral.daemon.kubernetes import Cluster
    from corral.model.network import Network

log = logging.getLogger("corral.daemon")


def plan_node_name(hostname: str) -> str:
    """Pure: a host's name as a node's: small letters, digits, dashes and dots.

    >>> plan_node_name("My_Box.example.org"), plan_node_name("---")
    ('my-box.example.org', 'node')
    """
    return re.sub(r"[^a-z0-9.-]", "-", hostname.lower()).strip("-.")[:63] or "node"


async def add_kubelet(stack: AsyncExitStack, engine: Engine, cluster: Cluster, instance: Instance) -> None:
    """Runs the pods that are bound to this machine until `stack` ends; they go on after that."""
    from corral.cluster.apiserver.attributes import User
    from corral.cluster.kubelet.kubelet import Kubelet
    from corral.cluster.kubelet.settings import Settings

    api, name = cluster.api, plan_node_name(socket.gethostname())
    network = await pod_network(engine)
    await add_door(stack, cluster, network.pools[0].gateway)
    around = await add_network(stack, cluster, instance, name, network)
    settings = Settings(root=f"{instance.root}/kubelet", run=f"{instance.volatile}/kubelet", cluster_dns=around.dns)
    user = User(f"system:node:{name}", groups=("system:nodes", "system:authenticated"))
    kubelet = Kubelet(
        engine, api.client(user, "kubelet"), name, settings, barrier=around.barrier, issue=issue_with(api)
    )
    tasks = Tasks()
    stack.push_async_callback(kubelet.close)
    stack.push_async_callback(tasks.close)
    tasks.start("kubelet", kubelet.run())
    api.nodes[name] = kubelet.access
    stack.callback(api.nodes.pop, name)
    cluster.meters.add(name, kubelet.meter)
    stack.callback(cluster.meters.remove, name)


async def pod_network(engine: Engine) -> Network:
    """That of this machine's pods. HostError."""
    from corral.cluster.kubelet.network import ensure_network

    name, _ = await ensure_network(engine, "")
    found = engine.networks.unlisted(name)
    if found is None:
        raise HostError("the network of the pods has vanished")
    return found


def issue_with(api: Kubernetes) -> Issue:
    """Tokens of service accounts from the server in this process."""
    from corral.cluster.apiserver.authentication.token_request import issue

    async def ask(namespace: str, account: str, request: dict[str, Any]) -> dict[str, Any]:
        await api.caches.fresh()
        made = issue(request, namespace, account, api.caches, api.issuer, int(time.time()), str(uuid.uuid4()))
        return made.object

    return ask
