"""The role `node`: a kubelet, a proxy and an engine that belong to a cluster whose API server is elsewhere.

::

    API server ──HTTPS──> Kubelet ──> Engine      (pods of this node)
                    └───> Proxy, RouteKeeper      (services; routes to pods of other nodes)
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final

import msgspec

from corral import __version__
from corral.cli.instance import Instance
from corral.daemon.assemble import open_engine
from corral.daemon.checks import check_settings
from corral.daemon.cluster_network import plan_proxy, plan_ways
from corral.daemon.config import Settings, log_level
from corral.daemon.kubelet import plan_heartbeat, plan_node_name, pod_network
from corral.daemon.kubelet_server import add_listener
from corral.daemon.kubernetes import node_addresses
from corral.daemon.lock import InstanceLock
from corral.daemon.node_images import lend_from
from corral.daemon.node_join import Identity, Join, has_joined, load, merge, save
from corral.daemon.node_place import find
from corral.daemon.pods import eviction_settings, manifests
from corral.daemon.serve import LOG_FORMAT, Ready, prepare_process
from corral.errors import CorralError, HostError
from corral.kit.tasks import Tasks
from corral.linux.namespaces import enter_netns
from corral.linux.nftables import start_early
from corral.linux.systemd import shutting_down

if TYPE_CHECKING:
    from corral.engine.engine import Engine

log = logging.getLogger("corral.daemon")

LOOK_SECONDS: Final = 3600.0  # between looks at the certificate's age
PATIENCE: Final = 1.0  # seconds that a pod's end waits for the rules to lead nobody there


def serve_node(instance: Instance, settings: Settings, asked: Join, ready_fd: int = -1) -> int:
    """Runs the node to its end: the exit code. A failure to start is told to the starter and on stderr."""
    logging.basicConfig(level=log_level(settings), format=LOG_FORMAT, stream=sys.stderr)
    ready = Ready(ready_fd)
    lock = InstanceLock(instance)
    try:
        check_settings(settings)
        node_addresses(settings)
        eviction_settings(settings)
        lock.take()
        join = merge(load(instance), asked, joined=has_joined(instance))
        join = msgspec.structs.replace(join, name=join.name or plan_node_name(socket.gethostname()))
        save(instance, join)
        enter(join.netns)
        prepare_process()
        start_early()
        asyncio.run(_life(instance, settings, join, ready))
    except CorralError as error:
        log.error("%s", error.message)
        ready.failed(error.message)
        return 1
    finally:
        lock.release()
    return 0


def enter(path: str) -> None:
    """This process, which has one thread yet, moves into the namespace; "" is where it is. HostError."""
    if not path:
        return
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        raise HostError(f"the network namespace of this node is gone ({path}): corral up makes it anew") from None
    try:
        enter_netns(fd)
    finally:
        os.close(fd)


async def _life(instance: Instance, settings: Settings, join: Join, ready: Ready) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            loop.add_signal_handler(number, stopping.set)
    async with AsyncExitStack() as stack:
        engine = await add_node(stack, instance, settings, join)
        log.info("Corral %s: node %s of %s (pid %d)", __version__, join.name, join.server, os.getpid())
        ready.ready()
        await stopping.wait()
        ready.stopping()
        if await shutting_down():
            await engine.halt()


async def add_node(stack: AsyncExitStack, instance: Instance, settings: Settings, join: Join) -> Engine:
    """All of a node, until `stack` ends; it is registered when this returns, if the API can be reached. CorralError."""
    from corral.cluster.client.informers import Informers
    from corral.cluster.kubelet.kubelet import Kubelet
    from corral.cluster.kubelet.network import RANGE, ensure_network
    from corral.cluster.kubelet.node.host import own_address
    from corral.cluster.kubelet.server.gate import review_with
    from corral.cluster.kubelet.settings import Settings as KubeletSettings
    from corral.cluster.proxy import Proxy
    from corral.cluster.routing.keeper import RouteKeeper

    identity = Identity(instance, join)
    try:
        join = await identity.ensure()
    except OSError as error:
        raise HostError(f"cannot reach {join.server}: {error}") from error
    kubelets, proxies = identity.client("kubelet"), identity.client("kube-proxy")
    stack.callback(kubelets.close)
    stack.callback(proxies.close)
    engine, _ = await open_engine(stack, instance, settings)
    mine = node_addresses(settings) or (own_address(),)
    place = await find(instance, join, proxies, mine, engine)
    await ensure_network(engine, place.subnet, open=True)
    network = await pod_network(engine)
    informers = Informers(proxies)
    proxy = Proxy(informers, join.name, plan_proxy(instance.root, network, *place.server, pods=(RANGE,)))
    stack.push_async_callback(proxy.close)
    told = KubeletSettings(
        root=f"{instance.root}/kubelet",
        run=f"{instance.volatile}/kubelet",
        pod_network=network.pools[0].subnet,
        open_network=True,
        addresses=node_addresses(settings),
        cluster_dns=place.cluster_dns,
        eviction=eviction_settings(settings),
        manifests=manifests(settings, instance),
        plugins=settings.text("kubernetes-plugins"),
        heartbeat=plan_heartbeat(min(join.grace, settings.number("kubernetes-node-grace"))),
    )

    async def barrier(address: str) -> None:
        await proxy.gone(address, PATIENCE)

    kubelet = Kubelet(engine, kubelets, join.name, told, barrier=barrier, borrow=lend_from(engine, join.images))
    tasks = Tasks()
    stack.push_async_callback(kubelet.close)
    stack.push_async_callback(tasks.close)
    keeper = RouteKeeper(informers, join.name, plan_ways(instance, join.authority))
    works = {"informers": informers.run(), "proxy": proxy.run(), "routes": keeper.run(), "kubelet": kubelet.run()}
    for name, work in works.items():
        tasks.start(name, work)
    tasks.start("certificate", _renew(identity, join.name))
    port = settings.number("kubernetes-kubelet-port")
    add_listener(stack, kubelet, kubelets, join.authority, review_with(kubelets), port)
    await kubelet.begun.wait()
    return engine


async def _renew(identity: Identity, name: str) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await identity.ensure()
        except (OSError, CorralError) as error:
            log.warning("the certificate of node %s is not renewed: %s", name, error)
