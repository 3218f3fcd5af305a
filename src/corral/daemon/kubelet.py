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
from typing import TYPE_CHECKING, Any, Final

from corral.cli.instance import Instance
from corral.daemon.cluster_door import add_door
from corral.daemon.cluster_network import add_network
from corral.daemon.config import Settings as DaemonSettings
from corral.daemon.kubelet_server import add_listener, review_here
from corral.daemon.pods import eviction_settings, manifests
from corral.engine.engine import Engine
from corral.errors import HostError
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.kubelet.volumes.tokens import Issue
    from corral.daemon.kubernetes import Cluster
    from corral.model.network import Network

BEATS: Final = 4  # signs of life within the time that silence is borne

log = logging.getLogger("corral.daemon")


def plan_node_name(hostname: str) -> str:
    """Pure: a host's name as a node's: small letters, digits, dashes and dots.

    >>> plan_node_name("My_Box.example.org"), plan_node_name("---")
    ('my-box.example.org', 'node')
    """
    return re.sub(r"[^a-z0-9.-]", "-", hostname.lower()).strip("-.")[:63] or "node"


def plan_heartbeat(grace: float) -> float:
    """Pure: seconds between signs of life, so that one or two may be lost.

    >>> plan_heartbeat(40), plan_heartbeat(4)
    (10.0, 1.0)
    """
    return min(10.0, grace / BEATS)


async def add_kubelet(
    stack: AsyncExitStack,
    engine: Engine,
    cluster: Cluster,
    instance: Instance,
    address: str = "",
    *,
    open: bool = False,
    grace: float = 40.0,
    addresses: tuple[str, ...] = (),
    told: DaemonSettings,
    port: int = 0,
) -> None:
    """Runs the pods that are bound to this machine until `stack` ends; they go on after that.

    `address`: where other nodes on this machine reach it, "" where there are none; `addresses`: where others do, none
    for the address that it goes out by. `open`: other machines may join. `grace`: for how many seconds the cluster
    bears a node's silence. `told`: the daemon's settings. `port`: of the kubelet, 0 for the usual one or, if that is
    taken, any.
    """
    from corral.cluster.apiserver.attributes import User
    from corral.cluster.kubelet.kubelet import Kubelet
    from corral.cluster.kubelet.network import RANGE
    from corral.cluster.kubelet.settings import Settings

    api, name = cluster.api, plan_node_name(socket.gethostname())
    network = await pod_network(engine, open=open)
    await add_door(stack, cluster, network.pools[0].gateway)
    around = await add_network(stack, cluster, instance, name, network, (RANGE,) if address or open else ())
    settings = Settings(
        root=f"{instance.root}/kubelet",
        run=f"{instance.volatile}/kubelet",
        cluster_dns=around.dns,
        addresses=(address,) if address else addresses,
        open_network=open,
        heartbeat=plan_heartbeat(grace),
        eviction=eviction_settings(told),
        manifests=manifests(told, instance),
        plugins=told.text("kubernetes-plugins"),
    )
    user = User(f"system:node:{name}", groups=("system:nodes", "system:authenticated"))
    client = api.client(user, "kubelet")
    kubelet = Kubelet(engine, client, name, settings, barrier=around.barrier, issue=issue_with(api))
    tasks = Tasks()
    stack.push_async_callback(kubelet.close)
    stack.push_async_callback(tasks.close)
    tasks.start("kubelet", kubelet.run())
    add_listener(stack, kubelet, client, cluster.authority, review_here(api), port)
    api.nodes[name] = kubelet.access
    stack.callback(api.nodes.pop, name)
    cluster.meters.add(name, kubelet.meter)
    stack.callback(cluster.meters.remove, name)


async def pod_network(engine: Engine, *, open: bool = False) -> Network:
    """That of this machine's pods. HostError."""
    from corral.cluster.kubelet.network import ensure_network

    name, _ = await ensure_network(engine, "", open=open)
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
