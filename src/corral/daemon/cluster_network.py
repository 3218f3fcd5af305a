"""The network of the cluster on this machine: kube-proxy, network policies and the name server, as parts of the daemon.

Their code is loaded here and nowhere else, so a daemon that serves no Kubernetes pays nothing for it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from corral.cli.instance import Instance
from corral.daemon.components import may_be_shared
from corral.errors import HostError
from corral.kit.tasks import Tasks
from corral.linux.links import add_route
from corral.linux.netlink import Netlink
from corral.linux.netlink_watch import RouteWatch, covers
from corral.networks.lines import plan_lines
from corral.networks.names import InstanceNames

if TYPE_CHECKING:
    from corral.cluster.kubelet.barrier import Barrier, Leaving
    from corral.cluster.proxy import ProxySettings
    from corral.cluster.routing.keeper import Place
    from corral.daemon.kubernetes import Cluster
    from corral.model.network import Network

    ServiceNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

log = logging.getLogger("corral.routes")

KUBERNETES: Final = "kubernetes"  # the directory with a cluster's keys
NODE: Final = "node"  # the directory of a node's own
DNS_NUMBER: Final = 10  # of the addresses of Services: where clients of Kubernetes expect the name server
PATIENCE: Final = 60.0  # seconds until the rules count as stuck; who waits for a pod's end has less
AGAIN_SECONDS: Final = 5.0  # after a route could not be made
QUIET_SECONDS: Final = 0.2  # routes change several at once


class ClusterNetwork(NamedTuple):
    """What a kubelet is told: the addresses of the name server, and the barrier before a pod is stopped."""

    dns: tuple[str, ...]
    barrier: Barrier


def plan_table(root: str) -> str:
    """Pure: what the proxy's tables of an instance are called.

    >>> plan_table("/var/lib/corral"), plan_table("/srv/x")
    ('corral_services', 'corral_c0fd_services')
    """
    return f"{InstanceNames.of_root(root).table}_services"


def plan_proxy(root: str, network: Network, dns: str, port: int, pods: tuple[str, ...] = ()) -> ProxySettings:
    """Pure: what the proxy must know of this machine. `dns`, `port`: where the name server listens, "" for nowhere.
    `pods`: the subnets of all nodes' pods, where there are several nodes.

    Packets from the bridges of other instances are left to these: their services have the same addresses.
    """
    from corral.cluster.proxy.settings import Named, PodNetwork, ProxySettings

    names, mac = InstanceNames.of_root(root), plan_lines(network).mac
    subnets = tuple(pool.subnet for pool in network.pools)
    return ProxySettings(
        plan_table(root),
        pods=pods or subnets,
        local=tuple(PodNetwork(subnet, mac) for subnet in subnets),
        named=(Named("kube-system", (("k8s-app", "kube-dns"),), dns, ((53, port),)),) if dns else (),
        own=(names.bridge, f"{names.user_bridge('')}*"),
        others=("corral0", "cr-*", "cn*"),
    )


def plan_ways(instance: Instance, authority: str = "") -> Place:
    """Pure: what an instance calls its ways to other nodes. `authority`: the cluster's certificate (PEM)."""
    from corral.cluster.routing.keeper import Place
    from corral.cluster.routing.tunnel import plan_vni

    return Place(InstanceNames.of_root(instance.root).tunnel, plan_vni(authority), Path(instance.volatile) / "routes")


def plan_called(services: Iterable[ServiceNetwork], network: Network) -> list[ServiceNetwork]:
    """Pure: those of Services whose family the pods' network has: of another, no pod has an address to call them from.

    >>> from corral.model.network import Network, NetworkSpec, Pool
    >>> pods = Network("1", NetworkSpec("pods"), pools=[Pool("10.244.1.0/24", "10.244.1.1")])
    >>> plan_called([ipaddress.ip_network("10.96.0.0/12"), ipaddress.ip_network("fd00:10:96::/112")], pods)
    [IPv4Network('10.96.0.0/12')]
    """
    versions = {ipaddress.ip_network(pool.subnet).version for pool in network.pools}
    return [one for one in services if one.version in versions]


def needs_route(routes: Iterable[ServiceNetwork], services: ServiceNetwork) -> bool:
    """Pure: whether this machine's own packets to Services would have no way at all (it is offline, say).

    The proxy turns them round before they leave, but the kernel first asks for a route.

    >>> net = ipaddress.ip_network
    >>> needs_route([net("192.168.1.0/24")], net("10.96.0.0/12")), needs_route([net("0.0.0.0/0")], net("10.96.0.0/12"))
    (True, False)
    """
    return not any(covers(one, services) for one in routes)


def ensure_route(services: ServiceNetwork, bridge: str, netns: int | None = None) -> None:
    """Gives Services a route over the pods' bridge, if there is none; it goes with the bridge. HostError."""
    with Netlink() if netns is None else Netlink.inside(netns) as netlink:
        link = netlink.link(bridge)
        if link is not None and needs_route([network for _, network in netlink.routes()], services):
            netlink.do(add_route(None, to=services, index=link.index))


async def keep_routes(services: Sequence[ServiceNetwork], bridge: str, netns: int | None = None) -> None:
    """Until it is cancelled. The way that there was may go: with the host's network, or with another instance, over
    whose bridge it led."""
    lost = asyncio.Event()
    watch = RouteWatch(services, lost.set, netns)
    try:
        while True:
            lost.clear()
            failed = False
            for one in services:
                try:
                    await asyncio.to_thread(ensure_route, one, bridge, netns)
                except HostError as error:  # another instance was faster, say
                    log.info("the route to services (%s): %s", one, error.message)
                    failed = True
            with suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_SECONDS if failed else None):
                    await lost.wait()
            await asyncio.sleep(QUIET_SECONDS)
    finally:
        watch.close()


async def add_network(
    stack: AsyncExitStack,
    cluster: Cluster,
    instance: Instance,
    node: str,
    network: Network,
    pods: tuple[str, ...] = (),
) -> ClusterNetwork:
    """Runs all of it until `stack` ends; services and routes work on after that, names do not. `network` is that of
    the pods, `pods` as for `plan_proxy`."""
    from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
    from corral.cluster.client.members import Members
    from corral.cluster.client.members import Place as ServerPlace
    from corral.cluster.dns import Dns, DnsSettings
    from corral.cluster.kubelet.network import families_of, gateways_of
    from corral.cluster.proxy import Proxy
    from corral.cluster.routing.keeper import RouteKeeper

    client = cluster.api.client(User("system:corral-dns", groups=(MASTERS_GROUP, "system:authenticated")), "corral-dns")
    called = plan_called(cluster.services, network)
    for services in called:
        await asyncio.to_thread(ensure_route, services, network.bridge)
    gateway = gateways_of(network, families_of(cluster.services))[0]
    cluster_ip = str(cluster.services[0][DNS_NUMBER])
    dns = Dns(client, cluster.informers, DnsSettings(gateway, cluster_ip))
    port = await dns.open()
    stack.push_async_callback(dns.close)
    proxy = Proxy(cluster.informers, node, plan_proxy(instance.root, network, gateway, port, pods))
    stack.push_async_callback(proxy.close)
    tasks = Tasks()
    stack.push_async_callback(tasks.close)
    keeper = RouteKeeper(cluster.informers, node, plan_ways(instance, cluster.authority))
    members = None
    if may_be_shared(cluster.store):
        members = Members(client, "kube-dns", node, ServerPlace(gateway, port))
        tasks.start("name servers", members.run())
    ways = keep_routes(called, network.bridge)
    works = (("dns", dns.run(members)), ("proxy", proxy.run()), ("routes", keeper.run()), ("routes to services", ways))
    for name, work in works:
        tasks.start(name, work)

    async def barrier(leaving: Leaving, silence: float) -> None:
        await proxy.gone(leaving.address, PATIENCE, uid=leaving.uid, node=leaving.node)

    return ClusterNetwork((cluster_ip,), barrier)


async def remove_rules(instance: Instance) -> None:
    """Takes away what a proxy of this instance has left, and the ways to other nodes, if there ever was a cluster here,
    wherever its objects are, or a node of one. HostError."""
    if any(os.path.isdir(os.path.join(instance.root, sign)) for sign in (KUBERNETES, NODE)):
        from corral.cluster.proxy.proxy import remove
        from corral.cluster.routing import keeper

        await asyncio.to_thread(remove, plan_table(instance.root))
        await asyncio.to_thread(keeper.remove, plan_ways(instance))
