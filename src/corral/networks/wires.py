"""Bridges and cables on the real host. Everything here blocks, and runs in one thread of its own, so that a kernel
busy with taking old interfaces away never holds up the event loop.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from corral.errors import Conflict, HostError
from corral.linux import links
from corral.linux.netlink import Link, Netlink, Network, Request
from corral.model.container import Endpoint
from corral.model.stats import InterfaceStats
from corral.networks.addresses import AnyAddress
from corral.networks.forwarding import (
    allow_forwarding,
    allow_further,
    answer_for_neighbours,
    refuse_advertisements,
)
from corral.networks.lines import FIRST, FURTHER, Lines, plan_bridge
from corral.networks.lingering import Lingering
from corral.networks.names import TURNS, InstanceNames
from corral.networks.rules import Element

log = logging.getLogger("corral")

_FULL = errno.EXFULL
DUMMY = ip_address("192.0.0.8")  # RFC 7600: of who has no address, and needs one


@dataclass(frozen=True)
class Port:
    """A container's port of the bridge; `serves` when it has published ports."""

    name: str
    serves: bool = False


@dataclass
class Bridges:
    """The bridges of one network and how many containers each has; `where` each cable is plugged in."""

    indexes: list[int]
    names: list[str]
    where: dict[str, int] = field(default_factory=dict)

    def counts(self) -> list[int]:
        numbers = list(self.where.values())
        return [numbers.count(n) for n in range(len(self.indexes))]


class Wires:
    """The host's side of one instance's networks. `first` and `further`: how many containers a bridge takes."""

    def __init__(self, names: InstanceNames, *, first: int = FIRST, further: int = FURTHER) -> None:
        self._names = names
        self._netlink = Netlink()
        self._networks: dict[str, Bridges] = {}
        self._first, self._further = first, further
        self.lingering = Lingering(self._netlink)

    def close(self) -> None:
        self._netlink.close()

    # Looking around

    def taken(self) -> list[Network]:
        """The networks that the host has routes or addresses for, but for those of our own bridges."""
        own = {link.index for link in self._netlink.links() if self._is_ours(link)}
        routes = [network for oif, network in self._netlink.routes() if oif not in own and network.prefixlen]
        addresses = self._netlink.addresses()
        return routes + [ip_network((a, prefix), strict=False) for oif, a, prefix in addresses if oif not in own]

    def _is_ours(self, link: Link, network_id: str = "") -> bool:
        """By its mark, or, where it did not come to that, by a name that nobody else gives."""
        named = (self._names.bridge, self._names.user_bridge(network_id))
        return link.name in named or self._names.network_of(link.alias) is not None

    def exists(self, interface: str) -> bool:
        return self._netlink.link(interface) is not None

    def uplink_mtu(self) -> int:
        """The MTU of the interface that the default route leads to; 1500 without one."""
        index = next((oif for oif, network in self._netlink.routes() if network.prefixlen == 0 and oif), 0)
        return next((link.mtu for link in self._netlink.links() if link.index == index and link.mtu), 1500)

    # Bridges

    def set_up(self, lines: Lines, ports: Iterable[Port] = ()) -> None:
        """Makes what is missing and leaves what is right: bridges, addresses, forwarding, bridge ports."""
        alias = self._names.alias(lines.network_id)
        before = self._netlink.link(lines.bridge)
        if before is not None and not (before.kind == "bridge" and self._is_ours(before, lines.network_id)):
            raise Conflict(f"interface {lines.bridge} is no bridge of ours; remove it, or use another name or --root")
        # The carrier comes with the first port, so quietening before "up" is early enough.
        made = [links.add_bridge(lines.bridge, lines.mac, lines.mtu), links.quiet_ipv6(lines.bridge)]
        made.append(links.set_alias(lines.bridge, alias))
        self._netlink.batch([*made, links.set_link(lines.bridge, up=True, mtu=lines.mtu)])
        there = self._netlink.link(lines.bridge)  # one by one: with hundreds of networks a list of all is long
        if there is None:
            raise HostError(f"bridge {lines.bridge} vanished")
        refuse_advertisements(lines.bridge)
        bridges = Bridges([there.index], [lines.bridge])
        self._networks[lines.network_id] = bridges
        self._give_addresses(bridges.indexes[0], lines)
        while self.exists(self._names.extension(lines.network_id, len(bridges.indexes))):
            self._extend(lines, bridges)
        self._plug_again(lines, bridges, list(ports))
        if lines.addresses:
            allow_forwarding(lines.bridge)
        if lines.linking is not None:
            answer_for_neighbours(lines.bridge, lines.linking)

    def holds(self, index: int) -> bool:
        """Whether that interface is a bridge of a network. (Also for other threads.)"""
        return any(index in bridges.indexes for bridges in list(self._networks.values()))

    def has_plugged(self, cable: str) -> bool:
        """Whether a container's cable is in a bridge as far as we know. (Also for other threads.)"""
        return any(cable in bridges.where for bridges in list(self._networks.values()))

    def is_loose(self, cable: str) -> bool:
        """Whether it is there, but down or in none of the bridges of its network. One that is gone went with its
        namespace."""
        bridges = next((each for each in self._networks.values() if cable in each.where), None)
        link = self._netlink.link(cable) if bridges else None
        return bridges is not None and link is not None and not (link.up and link.master in bridges.indexes)

    def is_broken(self, span: str) -> bool:
        """Whether one end of a cable between two bridges of a network has gone, or is down."""
        spans = (
            self._names.span(id, n) for id, bridges in self._networks.items() for n in range(1, len(bridges.indexes))
        )
        if not any(span in ends for ends in spans):
            return False
        link = self._netlink.link(span)
        return link is None or not link.up

    def whole(self, every: Iterable[Lines]) -> bool:
        """Whether the bridges of these networks are there, up, and with their addresses."""
        up = {link.index for link in self._netlink.links() if link.up}
        has = {(index, address) for index, address, _ in self._netlink.addresses()}
        for lines in every:
            bridges = self._networks.get(lines.network_id)
            first, *further = bridges.indexes if bridges else [0]
            wanted = {(first, address) for address, _ in lines.addresses} if first else set()
            wanted |= {(index, DUMMY) for index in further if lines.addresses}
            if not wanted <= has or (bridges and not up.issuperset(bridges.indexes)):
                return False
        return True

    def _plug_again(self, lines: Lines, bridges: Bridges, ports: Sequence[Port]) -> None:
        numbers = {index: number for number, index in enumerate(bridges.indexes)}
        for port in ports:  # those that are in their places first: they are not to be counted as room
            link = self._netlink.link(port.name)
            if link is not None and link.master in numbers:
                bridges.where[port.name] = numbers[link.master]
        filtered = filtered_versions()
        for port in ports:
            steps: list[Request] = []
            number = bridges.where.get(port.name)
            if number is None:
                number = bridges.where[port.name] = self._room(lines, bridges)
                steps.append(links.set_master(port.name, bridges.indexes[number]))
            how = plan_port(_within(port, lines), icc=lines.options.icc, filtered=filtered, further=number > 0)
            self._netlink.batch([*steps, how.request(), links.set_link(port.name, up=True, may_be_gone=True)])

    def _room(self, lines: Lines, bridges: Bridges) -> int:
        number = plan_bridge(bridges.counts(), lines.network, self._first, self._further)
        if number == len(bridges.indexes):
            self._extend(lines, bridges)
        return number

    def _extend(self, lines: Lines, bridges: Bridges) -> None:
        """One bridge more, with a cable to the first. The firewall is to be told (`elements`)."""
        number = len(bridges.indexes)
        name, alias = self._names.extension(lines.network_id, number), self._names.alias(lines.network_id)
        mac = "02:43:" + bytes.fromhex(f"{lines.network_id[:6]}{number:02x}").hex(":")
        made_now = [links.add_bridge(name, mac, lines.mtu), links.quiet_ipv6(name), links.set_alias(name, alias)]
        self._netlink.batch(made_now)
        made = self._netlink.link(name)
        if made is None:
            raise HostError(f"bridge {name} vanished")
        refuse_advertisements(name)
        near, far = self._names.span(lines.network_id, number)
        steps = [links.add_cable(near, far, bridges.indexes[0], made.index, lines.mtu)]
        steps += [links.set_master(near, bridges.indexes[0]), links.set_master(far, made.index)]
        steps += [links.quiet_ipv6(near), links.quiet_ipv6(far)]
        steps.append(plan_port(Port(near), icc=lines.options.icc, filtered=filtered_versions()).request())
        self._netlink.batch([*steps, *(links.set_link(each, up=True) for each in (near, far, name))])
        if lines.addresses:
            self._netlink.do(links.add_address(made.index, DUMMY, 32))
            allow_further(name)
        bridges.indexes.append(made.index)
        bridges.names.append(name)

    def elements(self, lines: Lines) -> list[Element]:
        """What the firewall's sets are to say of a network as it is."""
        bridges = self._networks.get(lines.network_id)
        return lines.elements(tuple(bridges.names[1:]) if bridges else ())

    def _give_addresses(self, index: int, lines: Lines) -> None:
        wanted = dict(lines.addresses)
        has = {address: prefix for _, address, prefix in self._netlink.addresses(index)}
        stale = [links.delete_address(index, a, p) for a, p in has.items() if a not in wanted]
        self._netlink.batch(stale + [links.add_address(index, a, p) for a, p in wanted.items()])

    def remove(self, network_id: str) -> None:
        """Takes a network's interfaces away."""
        self._networks.pop(network_id, None)
        self.delete_links([near for n in range(1, 24) if self.exists(near := self._names.span(network_id, n)[0])])
        self.delete_links(self.own_bridges({network_id}))

    # Cables

    def plug(self, container_id: str, netns: int, endpoint: Endpoint, lines: Lines, *, serves: bool) -> str:
        """A cable from the bridge into a network namespace, down at that end; returns the host's end.

        `serves`: it has published ports.
        """
        bridges = self._networks.get(lines.network_id)
        if bridges is None:
            raise HostError(f"network {lines.network} could not be made on this host; the daemon's log says why")
        self.lingering.make_way(endpoint)
        number = self._room(lines, bridges)
        name = self._new_veth(container_id, netns, endpoint, lines, bridges.indexes[number])
        self.lingering.is_taken(name)
        bridges.where[name] = number
        try:
            filtered, port = filtered_versions(), _within(Port(name, serves), lines)
            how = plan_port(port, icc=lines.options.icc, filtered=filtered, further=number > 0)
            special = [how.request()] if how.isolated or how.hairpin else []
            self._netlink.batch([links.quiet_ipv6(name), *special])
        except HostError:
            self.unplug(name)
            raise
        return name

    def take_back(self, port: Port, lines: Lines) -> None:
        """A cable that a former daemon plugged in, which may have been told to keep its containers apart, or not to.

        Its bridge may have been deleted while there was no daemon.
        """
        bridges, link = self._networks.get(lines.network_id), self._netlink.link(port.name)
        if bridges is None or link is None:
            return
        if link.master not in bridges.indexes:
            log.warning("cable %s was in no bridge of network %s; putting it back", port.name, lines.network)
        self._plug_again(lines, bridges, [port])

    def set_port(self, port: Port, lines: Lines) -> None:
        """After its ports were published or withdrawn."""
        bridges = self._networks.get(lines.network_id)
        further = bridges is not None and bridges.where.get(port.name, 0) > 0
        how = plan_port(_within(port, lines), icc=lines.options.icc, filtered=filtered_versions(), further=further)
        self._netlink.batch([how.request()])

    def _new_veth(self, container_id: str, netns: int, endpoint: Endpoint, lines: Lines, master: int) -> str:
        taken: HostError | None = None
        for turn in range(len(TURNS)):
            name = self._names.veth(container_id, turn)
            make = links.add_veth(name, endpoint.interface, netns, master=master, peer_mac=endpoint.mac, mtu=lines.mtu)
            try:
                self._netlink.do(make)
            except HostError as error:
                if error.errno == errno.EEXIST:
                    # Taken on either side. Here by a cable that goes with its namespace, or has gone since we asked;
                    # inside it is a name that we chose, and taken at every turn.
                    taken = error
                    continue
                if error.errno == _FULL:
                    raise HostError(f"bridge {lines.bridge} is full: it takes 1023 interfaces", _FULL) from error
                raise
            return name
        if taken is not None and not self.exists(name):
            raise taken
        raise HostError(f"interfaces of container {container_id[:12]} are still being removed: {len(TURNS)} of them")

    def unplug(self, interface: str) -> None:
        """Takes a cable away at both ends. Some 40 ms: not where somebody waits."""
        self.forget(interface)
        self.lingering.delete(interface)

    def let_go(self, interface: str, endpoint: Endpoint) -> None:
        """A cable goes with its namespace, which may take its time."""
        self.forget(interface)
        self.lingering.let_go(interface, endpoint)

    def forget(self, interface: str) -> None:
        """A cable has gone, or goes, with its namespace."""
        for bridges in self._networks.values():
            bridges.where.pop(interface, None)

    def counters(self, interface: str) -> InterfaceStats | None:
        """As the container sees them: what the host's end sent, it received."""
        link = self._netlink.link(interface)
        seen = self._netlink.stats(link.index) if link else None
        return mirrored(seen) if seen else None

    # Sweeping

    def own_links(self) -> list[str]:
        return [link.name for link in self._netlink.links() if self._names.veth_owner(link.name)]

    def own_bridges(self, network_ids: Iterable[str] | None = None) -> list[str]:
        """The interfaces made for networks: for these, or for all that are not in a dictionary of ours."""
        ids = None if network_ids is None else set(network_ids)
        marked = [(link.name, self._names.network_of(link.alias)) for link in self._netlink.links()]
        return [name for name, owner in marked if owner is not None and (ids is None or owner in ids)]

    def stray_bridges(self, network_ids: Iterable[str]) -> list[str]:
        """The interfaces made for networks that there are no more."""
        known = set(network_ids)
        marked = [(link.name, self._names.network_of(link.alias)) for link in self._netlink.links()]
        return [name for name, owner in marked if owner is not None and owner not in known]

    def delete_links(self, names: Iterable[str]) -> None:
        for name in names:
            self._netlink.do(links.delete_link(name))

    def tear_down(self) -> None:
        """Everything of this instance, whether it is there or not."""
        self._networks.clear()
        spans = [link.name for link in self._netlink.links() if self._names.is_span(link.name)]
        self.delete_links([*self.own_links(), *spans, *self.own_bridges(), self._names.bridge])
        self.lingering.clear()

    # Interfaces of the host's that networks stand on (see `parents`)

    def alias(self, network_id: str) -> str:
        return self._names.alias(network_id)

    def batch(self, requests: list[Request]) -> None:
        self._netlink.batch(requests)

    def find(self, interface: str) -> Link | None:
        return self._netlink.link(interface)

    def addresses(self, interface: str) -> list[AnyAddress]:
        """What the host has there; nothing where there is no such interface."""
        found = self.find(interface)
        return [] if found is None else [address for _, address, _ in self._netlink.addresses(found.index)]


def _within(port: Port, lines: Lines) -> Port:
    return Port(port.name, port.serves or lines.translated)


@dataclass(frozen=True)
class PortState:
    """How a port of a bridge is to behave (see `links.set_port`)."""

    name: str
    isolated: bool
    hairpin: bool

    def request(self) -> Request:
        return links.set_port(self.name, isolated=self.isolated, hairpin=self.hairpin)


def plan_port(port: Port, *, icc: bool, filtered: frozenset[int], further: bool = False) -> PortState:
    """Pure: how a container's port of the bridge behaves.

    Where bridged frames pass the firewall (`filtered`: of these versions of IP, by br_netfilter), a published port is
    translated while the frame is still in the bridge. A container that calls its own published port then needs a
    hairpin, and an isolated port could not call a neighbour's; but there, too, the rules see and stop what goes
    straight between containers. Frames of one version alone are not enough for that. In a `further` bridge nothing is
    translated.

    >>> plan_port(Port("p"), icc=False, filtered=frozenset({4})).isolated
    True
    >>> plan_port(Port("p", serves=True), icc=False, filtered=frozenset({4, 6}))
    PortState(name='p', isolated=False, hairpin=True)
    """
    isolated = not icc and (further or filtered != {4, 6})
    return PortState(port.name, isolated, port.serves and bool(filtered))


def filtered_versions() -> frozenset[int]:
    """The versions of IP whose frames between ports of a bridge pass the firewall's rules on this host."""
    return frozenset(version for version, word in ((4, "ip"), (6, "ip6")) if _frames_pass(word))


def _frames_pass(word: str) -> bool:
    try:
        with open(f"/proc/sys/net/bridge/bridge-nf-call-{word}tables", encoding="ascii") as file:
            return file.read().strip() == "1"
    except OSError:  # br_netfilter is not loaded
        return False


def mirrored(seen: InterfaceStats) -> InterfaceStats:
    """Pure: the counters of the other end of a cable."""
    return InterfaceStats(
        rx_bytes=seen.tx_bytes, rx_packets=seen.tx_packets, rx_errors=seen.tx_errors, rx_dropped=seen.tx_dropped,
        tx_bytes=seen.rx_bytes, tx_packets=seen.rx_packets, tx_errors=seen.rx_errors, tx_dropped=seen.rx_dropped,
    )  # fmt: skip


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Held while a subnet is chosen: instances that start at the same moment must not choose the same."""
    fd = os.open("/run", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
