"""Doing it: bridge, cables and rules on the real host. Everything here blocks, and runs in one thread of its own,
so that a kernel busy with taking old interfaces away never holds up the event loop.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from corral.errors import HostError, from_oserror
from corral.linux import links
from corral.linux.conntrack import forget_udp
from corral.linux.netlink import Netlink, Network, Request
from corral.linux.nftables import Nft
from corral.model.container import BoundPort, Endpoint
from corral.model.stats import InterfaceStats
from corral.networks.names import InstanceNames
from corral.networks.rules import Element, Table, parse_elements, plan_add, plan_delete, plan_reset, plan_table

log = logging.getLogger("corral")

_FULL = errno.EXFULL
_TURNS = 16


@dataclass(frozen=True)
class Lines:
    """How the bridge is: its addresses with their prefix lengths, its MAC and MTU, its rules."""

    table: Table
    gateway: IPv4Address
    mac: str
    mtu: int
    gateway6: IPv6Address | None = None


@dataclass(frozen=True)
class Port:
    """A container's port of the bridge; `serves` when it has published ports."""

    name: str
    serves: bool


class Wires:
    """The host's side of one instance's network."""

    def __init__(self, names: InstanceNames) -> None:
        self._names = names
        self._netlink = Netlink()
        self._nft = Nft()
        self._bridge = 0  # its index

    def close(self) -> None:
        self._netlink.close()
        self._nft.close()

    # The bridge and the rules

    def taken(self) -> list[Network]:
        """The networks that the host has routes or addresses for, but for those of our own bridge."""
        own = self._netlink.link(self._names.bridge)
        index = own.index if own else -1
        routes = [network for oif, network in self._netlink.routes() if oif != index and network.prefixlen]
        addresses = self._netlink.addresses()
        return routes + [ip_network((a, prefix), strict=False) for oif, a, prefix in addresses if oif != index]

    def bridge_exists(self) -> bool:
        return self._netlink.link(self._names.bridge) is not None

    def uplink_mtu(self) -> int:
        """The MTU of the interface that the default route leads to; 1500 without one."""
        index = next((oif for oif, network in self._netlink.routes() if network.prefixlen == 0 and oif), 0)
        return next((link.mtu for link in self._netlink.links() if link.index == index and link.mtu), 1500)

    def set_up(self, lines: Lines, elements: Iterable[Element], ports: Iterable[Port] = ()) -> None:
        """Makes what is missing and leaves what is right: bridge, addresses, forwarding, rules, bridge ports."""
        bridge = self._names.bridge
        # The carrier comes with the first port, so quietening before "up" is early enough.
        made = [links.add_bridge(bridge, lines.mac, lines.mtu), links.quiet_ipv6(bridge)]
        self._netlink.batch([*made, links.set_link(bridge, up=True, mtu=lines.mtu)])
        found = self._netlink.link(bridge)
        if found is None or found.kind != "bridge":
            raise HostError(f"interface {bridge} is no bridge of ours; remove it, or use another --root")
        self._bridge = found.index
        self._give_addresses(lines)
        filtered = frames_are_filtered()
        for port in ports:
            enslave = links.set_master(port.name, self._bridge)
            self._netlink.batch([enslave, *plan_port(port, icc=lines.table.icc, filtered=filtered)])
        allow_forwarding(bridge)
        self._apply(lines.table, list(elements))

    def _give_addresses(self, lines: Lines) -> None:
        wanted: dict[IPv4Address | IPv6Address, int] = {lines.gateway: ip_network(lines.table.subnet).prefixlen}
        if lines.gateway6 is not None:
            wanted[lines.gateway6] = 64
        has = {address: prefix for _, address, prefix in self._netlink.addresses(self._bridge)}
        stale = [links.delete_address(self._bridge, a, p) for a, p in has.items() if a not in wanted]
        self._netlink.batch(stale + [links.add_address(self._bridge, a, p) for a, p in wanted.items()])

    def _apply(self, table: Table, elements: list[Element]) -> None:
        try:
            self._nft.run(plan_table(table) + plan_add(table.name, elements))
        except HostError as error:  # a table of another shape, or a map with contradicting entries
            log.info("rules of table %s are made anew: %s", table.name, error.message)
            self._nft.run(plan_reset(table, elements))

    def publish(self, table: Table, elements: list[Element]) -> None:
        if elements:
            self._nft.run(plan_add(table.name, elements))

    def forget_flows(self, ports: Iterable[BoundPort]) -> None:
        """After UDP ports were published or withdrawn: senders that never paused are led anew."""
        for port in ports:
            if port.protocol == "udp":
                try:
                    forget_udp(port.host_port, port.host_ip)
                except HostError as error:  # such senders are stuck, everybody else is not
                    log.warning("%s", error.message)

    def withdraw(self, table: Table, elements: list[Element]) -> None:
        """Takes entries out; those that are gone (somebody flushed the rules) are fine."""
        if not elements:
            return
        try:
            self._nft.run(plan_delete(table.name, elements))
        except HostError:
            for element in elements:
                with suppress(HostError):  # one transaction fails as a whole; now each by itself
                    self._nft.run(plan_delete(table.name, [element]))

    # Cables

    def plug(self, container_id: str, netns: int, endpoint: Endpoint, lines: Lines, *, serves: bool) -> str:
        """A cable from the bridge into a network namespace, with address and route; returns the host's end.

        `serves`: it has published ports.
        """
        name = self._new_veth(container_id, netns, endpoint, lines)
        try:
            self._finish_cable(name, netns, endpoint, lines, serves)
        except HostError:
            self.delete_links([name])
            raise
        return name

    def _finish_cable(self, name: str, netns: int, endpoint: Endpoint, lines: Lines, serves: bool) -> None:
        port = plan_port(Port(name, serves), icc=lines.table.icc, filtered=frames_are_filtered())
        self._netlink.batch([links.quiet_ipv6(name), *port])
        with Netlink.inside(netns) as inside:
            found = inside.link(endpoint.interface)
            if found is None:
                raise HostError(f"the container's end {endpoint.interface} of interface {name} vanished")
            inside.batch(plan_inside(found.index, endpoint))

    def _new_veth(self, container_id: str, netns: int, endpoint: Endpoint, lines: Lines) -> str:
        for turn in range(_TURNS):
            name = self._names.veth(container_id, turn)
            make = links.add_veth(
                name, endpoint.interface, netns, master=self._bridge, peer_mac=endpoint.mac, mtu=lines.mtu
            )
            try:
                self._netlink.do(make)
            except HostError as error:
                if error.errno == errno.EEXIST:
                    continue
                if error.errno == _FULL:
                    raise HostError(f"bridge {self._names.bridge} is full: it takes 1023 containers", _FULL) from error
                raise
            return name
        raise HostError(f"interfaces of container {container_id[:12]} are still being removed: {_TURNS} of them")

    def counters(self, interface: str) -> InterfaceStats | None:
        """As the container sees them: what the host's end sent, it received."""
        link = self._netlink.link(interface)
        seen = self._netlink.stats(link.index) if link else None
        return mirrored(seen) if seen else None

    # Sweeping

    def own_links(self) -> list[str]:
        return [link.name for link in self._netlink.links() if self._names.veth_owner(link.name)]

    def delete_links(self, names: Iterable[str]) -> None:
        for name in names:
            self._netlink.do(links.delete_link(name))

    def listed_elements(self, table: Table) -> list[Element]:
        maps = ["host4", "any4", *(["host6", "any6"] if table.subnet6 else [])]
        found: list[Element] = []
        for name in maps:
            found += parse_elements(name, self._nft.json(f"list map inet {table.name} {name}"))
        return found

    def tear_down(self) -> None:
        """Everything of this instance, whether it is there or not."""
        self._nft.run(f"add table inet {self._names.table}\ndelete table inet {self._names.table}\n")
        self.delete_links([*self.own_links(), self._names.bridge])


def plan_inside(index: int, endpoint: Endpoint) -> list[Request]:
    """Pure: what happens to the container's end of the cable, in this order."""
    address = ip_address(endpoint.ipv4)
    steps = [links.quiet_ipv6(endpoint.interface), links.set_link(endpoint.interface, up=True)]
    steps += [links.add_address(index, address, endpoint.ipv4_prefix), links.add_route(ip_address(endpoint.gateway))]
    if endpoint.ipv6:
        steps.append(links.add_address(index, ip_address(endpoint.ipv6), endpoint.ipv6_prefix))
        steps.append(links.add_route(ip_address(endpoint.gateway6)))
    return steps


def plan_port(port: Port, *, icc: bool, filtered: bool) -> list[Request]:
    """Pure: what is special about a container's port of the bridge.

    Where bridged frames pass the firewall (`filtered`, br_netfilter), a published port is translated while the
    frame is still in the bridge. A container that calls its own published port then needs a hairpin, and an isolated
    port could not call a neighbour's; but there, too, the rules see and stop what goes straight between containers.
    """
    isolated, hairpin = not icc and not filtered, port.serves and filtered
    return [links.set_port(port.name, isolated=isolated, hairpin=hairpin)] if isolated or hairpin else []


def frames_are_filtered() -> bool:
    """Whether frames between ports of a bridge pass the firewall's IPv4 rules on this host."""
    try:
        with open("/proc/sys/net/bridge/bridge-nf-call-iptables", encoding="ascii") as file:
            return file.read().strip() == "1"
    except OSError:  # br_netfilter is not loaded
        return False


def mirrored(seen: InterfaceStats) -> InterfaceStats:
    """Pure: the counters of the other end of a cable."""
    return InterfaceStats(
        rx_bytes=seen.tx_bytes, rx_packets=seen.tx_packets, rx_errors=seen.tx_errors, rx_dropped=seen.tx_dropped,
        tx_bytes=seen.rx_bytes, tx_packets=seen.rx_packets, tx_errors=seen.rx_errors, tx_dropped=seen.rx_dropped,
    )  # fmt: skip


def allow_forwarding(bridge: str) -> None:
    """The host forwards packets, and may lead 127.0.0.1's published ports to this bridge (see `rules`)."""
    _sysctl("net/ipv4/ip_forward", "1")
    _sysctl(f"net/ipv4/conf/{bridge}/route_localnet", "1")


def _sysctl(name: str, value: str) -> None:
    path = f"/proc/sys/{name}"
    try:
        with open(path, "r+", encoding="ascii") as file:
            if file.read().strip() != value:
                file.seek(0)
                file.write(value)
    except OSError as error:
        raise from_oserror(f"set {path} to {value}", error) from error


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Held while a subnet is chosen: instances that start at the same moment must not choose the same."""
    fd = os.open("/run", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
