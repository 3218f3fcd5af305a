"""This machine as a node of its own cluster: the kubelet as a part of the daemon.

Its code is loaded here and nowhere else, so a daemon that serves no Kubernetes pays nothing for it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from corral.cli.instance import Instance
from corral.daemon.cluster_door import add_door
from corral.daemon.cluster_network import add_network
from corral.daemon.components import may_be_shared, read_id
from corral.daemon.config import Settings as DaemonSettings
from corral.daemon.kubelet_server import add_listener, review_here
from corral.daemon.pods import eviction_settings, garbage_policy, kubelet_root, manifests
from corral.engine.engine import Engine
from corral.errors import Conflict
from corral.kit.tasks import Tasks

if TYPE_CHECKING:
    from corral.cluster.apiserver.app import Kubernetes
    from corral.cluster.client.protocol import Client
    from corral.cluster.kubelet.volumes.tokens import Issue
    from corral.daemon.kubernetes import Cluster

SERVER: Final = "corral.dev/server"  # on a Node: the id of the server on its machine
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
    addresses: tuple[str, ...] = (),
    *,
    shared: bool = False,
    open: bool = False,
    grace: float = 40.0,
    told: DaemonSettings,
    port: int = 0,
) -> None:
    """Runs the pods that are bound to this machine until `stack` ends; they go on after that.

    `addresses`: where others reach it, none for those that it goes out by. `shared`: there are other nodes on this
    machine; `open`: other machines may join. `grace`: for how many seconds the cluster bears a node's silence. `told`:
    the daemon's settings. `port`: of the kubelet, 0 for the usual one or, if that is taken, any.
    """
    from corral.cluster.apiserver.attributes import User
    from corral.cluster.client.builtin import NODES
    from corral.cluster.kubelet.kubelet import Kubelet
    from corral.cluster.kubelet.neighbours import Neighbours
    from corral.cluster.kubelet.network import ensure_network, families_of, gateways_of, ranges
    from corral.cluster.kubelet.settings import Settings

    api, name = cluster.api, plan_node_name(socket.gethostname())
    families = families_of(cluster.services)
    annotations = await ensure_alone(cluster, instance, name)
    asked = await free_of_others(cluster, engine, name, addresses, families)
    network = await ensure_network(engine, asked, families, open=open)
    await add_door(stack, cluster, gateways_of(network, families)[0], name)
    around = await add_network(stack, cluster, instance, name, network, ranges(families) if shared or open else ())
    settings = Settings(
        root=kubelet_root(instance.root),
        run=f"{instance.volatile}/kubelet",
        cluster_dns=around.dns,
        families=families,
        addresses=addresses,
        annotations=annotations,
        open_network=open,
        heartbeat=plan_heartbeat(grace),
        eviction=eviction_settings(told),
        garbage=garbage_policy(told),
        manifests=manifests(told, instance),
        plugins=told.text("kubernetes-plugins"),
    )
    user = User(f"system:node:{name}", groups=("system:nodes", "system:authenticated"))
    client = api.client(user, "kubelet")
    neighbours = Neighbours(cluster.informers.of(NODES).all, name, api.kubelets.context)
    stack.callback(neighbours.close)
    kubelet = Kubelet(
        engine,
        client,
        name,
        settings,
        barrier=around.barrier,
        neighbours=neighbours.gone,
        issue=issue_with(api),
    )
    tasks = Tasks()
    stack.push_async_callback(kubelet.close)
    stack.push_async_callback(tasks.close)
    tasks.start("kubelet", kubelet.run())
    add_listener(stack, kubelet, client, cluster.authority, review_here(api), port)
    api.nodes[name] = kubelet.access
    stack.callback(api.nodes.pop, name)
    cluster.meters.add(name, kubelet.meter)
    stack.callback(cluster.meters.remove, name)


async def ensure_alone(cluster: Cluster, instance: Instance, name: str) -> dict[str, str]:
    """What this machine's Node has written on it, so that no other machine takes its name: Conflict where one has."""
    from corral.cluster.client.builtin import NODES

    if not may_be_shared(cluster.store):
        return {}
    server = await asyncio.to_thread(read_id, Path(instance.root, "kubernetes"))
    for node in (await controllers_client(cluster).list(NODES, field_selector=f"metadata.name={name}")).items:
        check_alone(node, server)
    return {SERVER: server}


def check_alone(node: dict[str, Any], server: str) -> None:
    """Pure. Conflict where the Node of this machine's name is the one of another server's machine, and at work.

    >>> at_work = {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"address": "10.0.0.2"}]}
    >>> node = {"metadata": {"name": "box", "annotations": {"corral.dev/server": "a"}}, "status": at_work}
    >>> check_alone(node, "a")
    >>> check_alone(node, "b")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ...
    corral.errors.Conflict: node box is another machine's, which is at work at 10.0.0.2: ...
    """
    name, status = node["metadata"]["name"], node.get("status") or {}
    others = (node["metadata"].get("annotations") or {}).get(SERVER, server) != server
    if others and any(one["type"] == "Ready" and one["status"] == "True" for one in status.get("conditions") or ()):
        where = ", ".join(one["address"] for one in status.get("addresses") or () if one.get("type") != "Hostname")
        raise Conflict(
            f"node {name} is another machine's, which is at work at {where}: give this one another name (hostnamectl "
            f"hostname NAME), or, if that machine is gone: kubectl delete node {name}"
        )


def controllers_client(cluster: Cluster) -> Client:
    from corral.cluster.apiserver.attributes import MASTERS_GROUP, User

    return cluster.api.client(User("system:kube-controller-manager", groups=(MASTERS_GROUP,)), "corral")


async def free_of_others(
    cluster: Cluster, engine: Engine, name: str, addresses: tuple[str, ...], families: Sequence[int]
) -> tuple[str, ...]:
    """Subnets for this machine's pods that no node of another server has; () where there are no others, or where it
    has subnets already. HostError, Unsupported."""
    from corral.cluster.kubelet.network import NAME
    from corral.cluster.kubelet.node.host import own_addresses
    from corral.daemon.node_place import choose_network

    if not may_be_shared(cluster.store) or engine.networks.unlisted(NAME) is not None:
        return ()
    return await choose_network(controllers_client(cluster), name, addresses or own_addresses((4, 6)), engine, families)


def issue_with(api: Kubernetes) -> Issue:
    """Tokens of service accounts from the server in this process."""
    from corral.cluster.apiserver.authentication.token_request import issue

    async def ask(namespace: str, account: str, request: dict[str, Any]) -> dict[str, Any]:
        await api.caches.fresh()
        made = issue(request, namespace, account, api.caches, api.issuer, int(time.time()), str(uuid.uuid4()))
        return made.object

    return ask
