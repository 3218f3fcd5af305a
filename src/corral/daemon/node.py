"""The role `node`: a kubelet, a proxy and an engine that belong to a cluster whose API server is elsewhere.

::

    API server ──HTTPS──> Kubelet ──> Engine      (pods of this node)
                    └───> Proxy, RouteKeeper      (services; routes to pods of other nodes)
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import signal
import socket
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from corral import __version__
from corral.cli.instance import Instance
from corral.daemon.assemble import open_engine
from corral.daemon.checks import check_settings
from corral.daemon.cluster_network import keep_routes, plan_called, plan_proxy, plan_ways
from corral.daemon.config import Settings, log_level
from corral.daemon.kubelet import plan_heartbeat, plan_node_name
from corral.daemon.kubelet_server import add_listener
from corral.daemon.kubernetes import node_addresses
from corral.daemon.lock import InstanceLock
from corral.daemon.node_images import lend_from
from corral.daemon.node_join import Identity, Join, check_node_name, has_joined, load, merge, save
from corral.daemon.node_place import find
from corral.daemon.pods import eviction_settings, garbage_policy, kubelet_root, manifests
from corral.daemon.serve import Ready, prepare_process, start_log
from corral.engine import reserve
from corral.errors import CorralError, HostError, from_oserror
from corral.kit.tasks import Tasks
from corral.linux.namespaces import enter_netns
from corral.linux.nftables import start_early
from corral.linux.systemd import shutting_down

if TYPE_CHECKING:
    from corral.cluster.kubelet.barrier import Leaving
    from corral.engine.engine import Engine

log = logging.getLogger("corral.daemon")

LOOK_SECONDS: Final = 3600.0  # between looks at the certificate's age
PATIENCE: Final = 60.0  # seconds until the rules count as stuck; who waits for a pod's end has less


def serve_node(instance: Instance, settings: Settings, asked: Join, ready_fd: int = -1) -> int:
    """Runs the node to its end: the exit code. A failure to start is told to the starter and on stderr."""
    start_log(log_level(settings))
    ready = Ready(ready_fd)
    lock = InstanceLock(instance)
    try:
        check_settings(settings)
        node_addresses(settings)
        eviction_settings(settings)
        garbage_policy(settings)
        reserve.tend(instance.root)
        lock.take()
        join = merge(load(instance), asked, joined=has_joined(instance))
        join = msgspec.structs.replace(join, name=join.name or plan_node_name(socket.gethostname()))
        check_node_name(join.name)
        save(instance, join)
        enter(join.netns)
        prepare_process()
        start_early()
        asyncio.run(_life(instance, settings, join, ready))
    except CorralError as error:
        message = error.message + reserve.advice(instance.root)
        log.error("%s", message)
        ready.failed(message)
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
        reserve.tend(instance.root)
        await stopping.wait()
        ready.stopping()
        if await shutting_down():
            await engine.halt()


async def add_node(stack: AsyncExitStack, instance: Instance, settings: Settings, join: Join) -> Engine:
    """All of a node, until `stack` ends; it is registered when this returns, if the API can be reached. CorralError."""
    from corral.cluster.client.builtin import NODES
    from corral.cluster.client.informers import Informers
    from corral.cluster.joining.unreached import why_unreached
    from corral.cluster.kubelet.kubelet import Kubelet
    from corral.cluster.kubelet.neighbours import Neighbours
    from corral.cluster.kubelet.network import ensure_network, ranges, subnets_of
    from corral.cluster.kubelet.node.host import own_addresses
    from corral.cluster.kubelet.server.gate import review_with
    from corral.cluster.kubelet.settings import Settings as KubeletSettings
    from corral.cluster.proxy import Proxy
    from corral.cluster.routing.keeper import RouteKeeper

    identity = Identity(instance, join)
    try:
        join = await identity.ensure()
    except OSError as error:
        raise HostError(f"cannot reach {join.server}: {why_unreached(error)}") from error
    kubelets, proxies = identity.client("kubelet"), identity.client("kube-proxy")
    stack.callback(kubelets.close)
    stack.callback(proxies.close)
    engine, _ = await open_engine(stack, instance, settings)
    server = urlsplit(join.server).hostname or ""
    mine = node_addresses(settings) or own_addresses((4, 6), server)
    place = await find(instance, join, proxies, mine, engine)
    network = await ensure_network(engine, place.subnets, place.families, open=True)
    informers = Informers(proxies)
    pods = ranges(place.families)
    proxy = Proxy(informers, join.name, plan_proxy(instance.root, network, *place.server, pods=pods))
    stack.push_async_callback(proxy.close)
    told = KubeletSettings(
        root=kubelet_root(instance.root),
        lender=join.pulls,
        run=f"{instance.volatile}/kubelet",
        pod_subnets=subnets_of(network, place.families),
        families=place.families,
        open_network=True,
        addresses=node_addresses(settings) or own_addresses(place.families, server),
        cluster_dns=place.cluster_dns,
        eviction=eviction_settings(settings),
        garbage=garbage_policy(settings),
        manifests=manifests(settings, instance),
        plugins=settings.text("kubernetes-plugins"),
        heartbeat=plan_heartbeat(min(join.grace, settings.number("kubernetes-node-grace"))),
    )

    async def barrier(leaving: Leaving, silence: float) -> None:
        await proxy.gone(leaving.address, PATIENCE, uid=leaving.uid, node=leaving.node)

    shown = identity.context()
    neighbours = Neighbours(informers.of(NODES).all, join.name, lambda: shown)
    stack.callback(neighbours.close)
    borrow = lend_from(engine, join.images)
    kubelet = Kubelet(engine, kubelets, join.name, told, barrier=barrier, neighbours=neighbours.gone, borrow=borrow)
    tasks = Tasks()
    stack.push_async_callback(kubelet.close)
    stack.push_async_callback(tasks.close)
    keeper = RouteKeeper(informers, join.name, plan_ways(instance, join.authority))
    ways = keep_routes(plan_called(map(ipaddress.ip_network, place.services), network), network.bridge)
    works = (("proxy", proxy.run()), ("routes", keeper.run()), ("routes to services", ways))
    for name, work in (("informers", informers.run()), *works):
        tasks.start(name, work)
    running = tasks.start("kubelet", kubelet.run())
    tasks.start("certificate", _renew(identity, join.name))
    port = settings.number("kubernetes-kubelet-port")
    add_listener(stack, kubelet, kubelets, join.authority, review_with(kubelets), port)
    await until_begun(kubelet.begun, running)
    return engine


async def until_begun(begun: asyncio.Event, running: asyncio.Task[None]) -> None:
    """Returns when it has begun, or raises what it failed with before: CorralError."""
    waiting = asyncio.create_task(begun.wait())
    try:
        await asyncio.wait((waiting, running), return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
    if running.done():
        try:
            running.result()
        except OSError as error:
            raise from_oserror("start the kubelet", error) from error


async def _renew(identity: Identity, name: str) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await identity.ensure()
        except (OSError, CorralError) as error:
            log.warning("the certificate of node %s is not renewed: %s", name, error)
