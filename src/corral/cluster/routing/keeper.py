"""Keeps this machine's ways to the pods of other nodes as the Node objects want them: routes, and the tunnel."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from corral.cluster.client.builtin import NODES
from corral.cluster.client.informers import Informers
from corral.cluster.client.protocol import Object
from corral.cluster.routing.plan import (
    AnyAddress,
    AnyNetwork,
    Routes,
    Way,
    internal_addresses,
    plan_changes,
    plan_routes,
)
from corral.cluster.routing.tunnel import PORT, Tunnel, plan_tunnel
from corral.errors import CorralError, HostError, from_oserror
from corral.linux import links as change
from corral.linux import netlink_wire as wire
from corral.linux.netlink import Link, Neighbour, Netlink, Request
from corral.linux.netlink_watch import LinkWatch
from corral.model.kubernetes.addresses import pod_subnets

log = logging.getLogger("corral.routes")

AGAIN_SECONDS: Final = 5.0  # after a failure
QUIET_SECONDS: Final = 0.2  # interfaces change several times at once


class Place(NamedTuple):
    """What an instance calls its tunnel's interface, the cluster's number for it, and the file with the routes that
    were made, which go when the instance does."""

    device: str
    number: int
    record: Path


class RouteKeeper:
    """`run` until it is cancelled; the routes stay, as running pods need them. `remove` takes them away."""

    def __init__(self, informers: Informers, own: str, place: Place) -> None:
        self._nodes, self._own, self._place = informers.of(NODES), own, place
        self._changed = asyncio.Event()
        self._told: set[tuple[str, str]] = set()
        self._failure = ""
        self._nodes.on_change(self._node_changed)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or _matters(old) != _matters(new):
            self._changed.set()

    async def run(self) -> None:
        await self._nodes.synced.wait()
        watch: LinkWatch | None = None
        try:
            while True:
                self._changed.clear()
                done = await self._try()  # also on the only node: there may have been others before
                if watch is None and len(self._nodes) > 1:
                    # An interface that goes down takes its routes along, and says nothing of them.
                    watch = LinkWatch(self._changed.set)
                await _wait(self._changed, None if done else AGAIN_SECONDS)
                await asyncio.sleep(QUIET_SECONDS)
        finally:
            if watch is not None:
                watch.close()

    async def _try(self) -> bool:
        try:
            await asyncio.to_thread(self._keep, list(self._nodes.all()))
        except CorralError as error:
            if error.message != self._failure:  # once, however often it is tried again
                log.error("routes to other nodes: %s", error.message)
            self._failure = error.message
            return False
        self._failure = ""
        return True

    def _keep(self, nodes: list[Object]) -> None:
        """HostError of the first way that cannot be made, after all others."""
        me = next((one for one in nodes if one["metadata"]["name"] == self._own), None)
        if me is None or not (mine := internal_addresses(me)):
            return  # it is about to register
        with Netlink() as netlink:
            found = plan_routes(nodes, self._own, mine, read_links(netlink))
            tunnel = plan_tunnel(found.tunnelled, pod_subnets(me), mine, read_mtus(netlink))
            failed = keep_routes(netlink, self._place, found.wanted)
            self._tell(found)
            failed = keep_tunnel(netlink, self._place, tunnel) or failed
        if failed is not None:
            raise failed

    def _tell(self, found: Routes) -> None:
        for name, address in set(found.unreached) - self._told:
            log.warning("%s", describe_unreached(name, address))
        self._told = set(found.unreached)


def keep_routes(netlink: Netlink, place: Place, wanted: dict[AnyNetwork, AnyAddress]) -> HostError | None:
    """Routes straight to nodes; those that were made before and are not wanted any more go. The first failure.

    A route that this instance has not made is another's, who may have pods there: it stays as it is.
    """
    record, tunnel, failed = place.record, netlink.link(place.device), None
    made = read_record(record)
    plan = plan_changes(netlink.ways(), made, wanted, tunnel.index if tunnel else 0)
    mine = {subnet: gateway for subnet, gateway in wanted.items() if subnet not in plan.foreign}
    requests = [change.delete_route(subnet, gateway) for subnet, gateway in plan.stale.items()]
    requests += [change.add_route(gateway, to=subnet, replace=True) for subnet, gateway in plan.changed.items()]
    requests += [change.add_route(gateway, to=subnet) for subnet, gateway in plan.missing.items()]
    write_record(record, {**made, **mine})  # first: what is made is known, whatever happens
    for request in requests:
        failed = _attempt(netlink, request) or failed
    write_record(record, mine)
    return failed or next((foreign_route(*one) for one in plan.foreign.items()), None)


def foreign_route(subnet: AnyNetwork, way: Way) -> HostError:
    """
    >>> foreign_route(ipaddress.ip_network("10.244.1.0/24"), (None, 4)).message[:64]
    '10.244.1.0/24 belongs to a node of this cluster, and on this mac'
    """
    gateway, index = way
    return HostError(
        f"{subnet} belongs to a node of this cluster, and on this machine another route leads there (through "
        f"{gateway or f'interface {index}'}), perhaps of another cluster: it is left as it is, and the pods of that "
        "node are not reached: end what has that route (`corral down --all` for another instance), or delete the node "
        "and let it join again, for another subnet"
    )


def keep_tunnel(netlink: Netlink, place: Place, tunnel: Tunnel | None) -> HostError | None:
    """The interface and its entries; without a tunnel they go. The first failure."""
    link = netlink.link(place.device)
    if link is not None and (tunnel is None or (link.mac, link.mtu) != (tunnel.mac, tunnel.mtu)):
        netlink.do(change.delete_link(place.device))  # with its routes and entries
        link = None
    if tunnel is None:
        return None
    if link is None:
        netlink.do(
            change.add_vxlan(place.device, place.number, PORT, mac=tunnel.mac, mtu=tunnel.mtu, local=tunnel.local)
        )
        link = netlink.link(place.device)
        if link is None:
            raise HostError(f"the interface {place.device} has vanished")
    failed, ways = None, netlink.ways()
    foreign = {
        one.subnet: ways[one.subnet] for one in tunnel.peers if ways.get(one.subnet, ("", link.index))[1] != link.index
    }
    tunnel = tunnel._replace(peers=tuple(one for one in tunnel.peers if one.subnet not in foreign))
    for request in plan_entries(netlink, link, tunnel):
        failed = _attempt(netlink, request) or failed
    return failed or next((foreign_route(*one) for one in foreign.items()), None)


def plan_entries(netlink: Netlink, link: Link, tunnel: Tunnel) -> list[Request]:
    """What differs between the entries that are there and those that are wanted."""
    index, ways = link.index, netlink.ways()
    arp = {one for family in (wire.AF_INET, wire.AF_INET6) for one in netlink.neighbours(index, family)}
    fdb = set(netlink.neighbours(index, wire.AF_BRIDGE))
    want_arp = {Neighbour(one.mac, one.inner) for one in tunnel.peers}
    want_fdb = {Neighbour(one.mac, one.outer) for one in tunnel.peers}
    requests = [] if link.up else [change.set_link(link.name, up=True)]
    requests += [change.add_address(index, one, 32 if one.version == 4 else 64) for one in tunnel.inner]
    requests += [change.add_address(index, one, 128) for one in tunnel.sources]
    subnets = {one.subnet for one in tunnel.peers}
    requests += [
        change.delete_route(to, index=index)
        for to, (_, oif) in ways.items()
        if oif == index and to not in subnets and not to.is_link_local
    ]
    requests += [change.delete_neighbour(index, one.address, one.mac) for one in arp - want_arp]
    requests += [change.delete_forwarding(index, one.mac, one.address) for one in fdb - want_fdb]
    requests += [change.add_forwarding(index, one.mac, one.address) for one in want_fdb - fdb]
    requests += [change.add_neighbour(index, one.address, one.mac) for one in want_arp - arp]
    for one in tunnel.peers:
        if ways.get(one.subnet) != (one.inner, index):
            requests.append(change.add_route(one.inner, to=one.subnet, index=index, replace=True, onlink=True))
    return requests


def _attempt(netlink: Netlink, request: Request) -> HostError | None:
    try:
        netlink.do(request)
    except HostError as error:
        return error
    return None


def remove(place: Place) -> None:
    """Takes the tunnel and the routes away. HostError."""
    with Netlink() as netlink:
        keep_tunnel(netlink, place, None)
        failed = keep_routes(netlink, place, {})
    if failed is not None:
        raise failed


def read_record(path: Path) -> dict[AnyNetwork, AnyAddress]:
    """What was made: a line `SUBNET GATEWAY` for each route. What cannot be read was not made by us."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise from_oserror(f"read {path}", error) from error
    found: dict[AnyNetwork, AnyAddress] = {}
    for line in lines:
        subnet, _, gateway = line.partition(" ")
        found[ipaddress.ip_network(subnet)] = ipaddress.ip_address(gateway)
    return found


def write_record(path: Path, made: dict[AnyNetwork, AnyAddress]) -> None:
    """HostError."""
    text = "".join(f"{subnet} {gateway}\n" for subnet, gateway in made.items())
    try:
        if not text:
            path.unlink(missing_ok=True)
        elif not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            other = path.with_name(path.name + ".new")
            other.write_text(text)
            other.replace(path)
    except OSError as error:
        raise from_oserror(f"write {path}", error) from error


def describe_unreached(name: str, address: str) -> str:
    """
    >>> describe_unreached("b", "2001:db8::7")[:63]
    'node b (2001:db8::7) is on no network that this machine is on, '
    """
    return (
        f"node {name} ({address}) is on no network that this machine is on, and has no address of the family that the "
        "tunnel (VXLAN) between nodes goes by, IPv4 where a node has it: its pods are not reached. Give nodes one with "
        "--kubernetes-node-address"
    )


def read_links(netlink: Netlink) -> list[AnyNetwork]:
    """The networks that this machine is on, by its own addresses; the loopback's is none."""
    found = [ipaddress.ip_network(f"{address}/{prefix}", strict=False) for _, address, prefix in netlink.addresses()]
    return [one for one in found if not one.is_loopback and not one.is_link_local and one.num_addresses > 1]


def read_mtus(netlink: Netlink) -> list[tuple[AnyAddress, int]]:
    """All addresses of this machine, and how large packets are on their interfaces."""
    sizes = {link.index: link.mtu for link in netlink.links()}
    return [(address, sizes.get(index, 0)) for index, address, _ in netlink.addresses()]


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _matters(node: Object) -> object:
    return (node.get("spec") or {}).get("podCIDRs"), (node.get("status") or {}).get("addresses")
