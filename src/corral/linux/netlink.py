"""rtnetlink: interfaces, addresses and routes, asked for and changed over one socket.

A socket belongs to the network namespace it was opened in, for good. Requests are sent together in one
message (`batch`) and acknowledged one by one; that is most of the speed. Not thread-safe: one user at a time.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import NamedTuple

from corral.errors import HostError, from_oserror
from corral.linux import netlink_wire as wire
from corral.linux.namespaces import in_netns
from corral.model.stats import InterfaceStats

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class Link:
    index: int
    name: str
    up: bool
    kind: str = ""
    mac: str = ""
    mtu: int = 0
    master: int = 0
    alias: str = ""
    parent: int = 0  # of what stands on another interface: that one's index,
    elsewhere: bool = False  # which counts in another namespace than this


class Neighbour(NamedTuple):
    """Of ARP: who has an address. Of a tunnel's forwarding: behind which address a MAC is."""

    mac: str
    address: Address


@dataclass(frozen=True)
class Request:
    """One change; `what` is for the error message, `fine` are errnos that mean it was done already."""

    what: str
    kind: int
    flags: int
    payload: bytes
    fine: frozenset[int] = frozenset()


class Netlink:
    """A socket to the kernel's routing tables, in the namespace of the thread that made it."""

    def __init__(self) -> None:
        try:
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            self._socket.bind((0, 0))
        except OSError as error:
            raise from_oserror("open a netlink socket", error) from error
        self._sequence = 0

    @classmethod
    def inside(cls, fd: int) -> Netlink:
        """One for the namespace behind a descriptor. The caller closes it: it keeps the namespace alive."""
        return in_netns(fd, cls)

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Changing

    def batch(self, requests: list[Request]) -> None:
        """Sends all, awaits all answers; raises HostError for the first that failed (the others were tried)."""
        if not requests:
            return
        first = self._sequence + 1
        parts = []
        for request in requests:
            self._sequence += 1
            flags = request.flags | wire.ACK
            parts.append(wire.message(request.kind, flags, self._sequence, request.payload))
        self._socket.send(b"".join(parts))
        codes = self._answers(first, len(requests))
        for request, code in zip(requests, codes, strict=True):
            if code and code not in request.fine:
                raise from_oserror(request.what, OSError(code, os.strerror(code)))

    def _answers(self, first: int, count: int) -> list[int]:
        codes: dict[int, int] = {}
        while len(codes) < count:
            for kind, sequence, payload in wire.split_messages(self._receive()):
                if kind == wire.NLMSG_ERROR and first <= sequence < first + count:
                    codes[sequence] = wire.error_code(payload)
        return [codes[first + n] for n in range(count)]

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(1 << 17)
        except OSError as error:
            raise from_oserror("read from a netlink socket", error) from error

    def do(self, request: Request) -> None:
        self.batch([request])

    # Asking

    def _dump(self, kind: int, body: bytes) -> list[bytes]:
        """Every object of a kind. A table that changed meanwhile may show an object twice or not at all."""
        self._sequence += 1
        self._socket.send(wire.message(kind, wire.DUMP, self._sequence, body))
        found: list[bytes] = []
        while True:
            for answer, sequence, payload in wire.split_messages(self._receive()):
                if sequence != self._sequence:
                    continue
                if answer == wire.NLMSG_DONE:
                    return found
                if answer == wire.NLMSG_ERROR:
                    code = wire.error_code(payload)
                    raise HostError(f"list over netlink: {os.strerror(code).lower()}", code)
                found.append(payload)

    def links(self) -> list[Link]:
        return [parse_link(p) for p in self._dump(wire.RTM_GETLINK, wire.link_body())]

    def link(self, name: str) -> Link | None:
        """The interface of that name, or None."""
        payload = self._get_link(wire.text(wire.IFLA_IFNAME, name))
        return parse_link(payload) if payload else None

    def _get_link(self, attributes: bytes, index: int = 0) -> bytes:
        self._sequence += 1
        body = wire.link_body(index) + attributes
        self._socket.send(wire.message(wire.RTM_GETLINK, 0, self._sequence, body))
        while True:
            for kind, sequence, payload in wire.split_messages(self._receive()):
                if sequence != self._sequence:
                    continue
                if kind == wire.RTM_NEWLINK:
                    return payload
                code = wire.error_code(payload)
                if code == errno.ENODEV:
                    return b""
                raise HostError(f"look up an interface: {os.strerror(code).lower()}", code)

    def addresses(self, index: int | None = None) -> list[tuple[int, Address, int]]:
        """(interface, address, prefix length) of all interfaces, or of one."""
        bodies = self._dump(wire.RTM_GETADDR, wire.address_body(0, 0, 0))
        found = [parse_address(p) for p in bodies if index in (None, wire.parse_address_body(p)[-1])]
        return [address for address in found if address is not None]

    def routes(self) -> list[tuple[int, Network]]:
        """(interface, destination) of all unicast routes of all tables but the local one; a default is a /0."""
        found = [parse_route(p) for p in self._dump(wire.RTM_GETROUTE, wire.route_body(0))]
        return [route for route in found if route is not None]

    def ways(self) -> dict[Network, tuple[Address | None, int]]:
        """(gateway, interface) of the routes of the main table, by their destinations."""
        found = (parse_way(p) for p in self._dump(wire.RTM_GETROUTE, wire.route_body(0)))
        return {way[0]: way[1:] for way in found if way is not None}

    def neighbours(self, index: int, family: int) -> list[Neighbour]:
        """The permanent entries of an interface: ARP (AF_INET), its like (AF_INET6), or forwarding (AF_BRIDGE)."""
        bodies = self._dump(wire.RTM_GETNEIGH, wire.neighbour_body(family))
        found = (parse_neighbour(p, index, family) for p in bodies)
        return [one for one in found if one is not None]

    def stats(self, index: int) -> InterfaceStats | None:
        """An interface's counters; None if it is gone."""
        payload = self._get_link(b"", index)
        return parse_stats(payload) if payload else None


def parse_link(payload: bytes) -> Link:
    index, flags = wire.parse_link_body(payload)
    found = wire.split_attributes(payload, wire.LINK_SIZE)
    info = wire.split_attributes(found.get(wire.IFLA_LINKINFO, b""))
    return Link(
        index=index,
        name=wire.end_of_name(found.get(wire.IFLA_IFNAME, b"")),
        up=bool(flags & wire.IFF_UP),
        kind=wire.end_of_name(info.get(wire.IFLA_INFO_KIND, b"")),
        mac=found.get(wire.IFLA_ADDRESS, b"").hex(":"),
        mtu=_u32(found.get(wire.IFLA_MTU)),
        master=_u32(found.get(wire.IFLA_MASTER)),
        alias=wire.end_of_name(found.get(wire.IFLA_IFALIAS, b"")),
        parent=_u32(found.get(wire.IFLA_LINK)),
        elsewhere=wire.IFLA_LINK_NETNSID in found,
    )


def _u32(value: bytes | None) -> int:
    return int(struct.unpack("=I", value)[0]) if value else 0


def parse_address(payload: bytes) -> tuple[int, Address, int] | None:
    family, prefix, index = wire.parse_address_body(payload)
    found = wire.split_attributes(payload, wire.ADDRESS_SIZE)
    packed = found.get(wire.IFA_LOCAL) or found.get(wire.IFA_ADDRESS)
    return (index, ip_address(packed), prefix) if packed and family in (wire.AF_INET, wire.AF_INET6) else None


def parse_route(payload: bytes) -> tuple[int, Network] | None:
    """None if it is no unicast route or belongs to the local table (255)."""
    family, prefix, table, kind = wire.parse_route_body(payload)
    if kind != 1 or table == 255 or family not in (wire.AF_INET, wire.AF_INET6):
        return None
    attributes = wire.split_attributes(payload, wire.ROUTE_SIZE)
    nothing = bytes(4 if family == wire.AF_INET else 16)
    return _u32(attributes.get(wire.RTA_OIF)), ip_network((attributes.get(wire.RTA_DST, nothing), prefix))


def parse_way(payload: bytes) -> tuple[Network, Address | None, int] | None:
    """None if it is no unicast route of the main table (254)."""
    family, prefix, table, kind = wire.parse_route_body(payload)
    if kind != 1 or table != 254 or family not in (wire.AF_INET, wire.AF_INET6):
        return None
    attributes = wire.split_attributes(payload, wire.ROUTE_SIZE)
    gateway = attributes.get(wire.RTA_GATEWAY)
    nothing = bytes(4 if family == wire.AF_INET else 16)
    to = ip_network((attributes.get(wire.RTA_DST, nothing), prefix))
    return to, ip_address(gateway) if gateway else None, _u32(attributes.get(wire.RTA_OIF))


def parse_neighbour(payload: bytes, index: int, family: int) -> Neighbour | None:
    """None if it is of another interface or family, was learned, or leads nowhere."""
    if wire.parse_neighbour_body(payload)[:2] != (family, index):
        return None
    if not wire.parse_neighbour_body(payload)[2] & wire.NUD_PERMANENT:
        return None
    attributes = wire.split_attributes(payload, wire.NEIGHBOUR_SIZE)
    mac, to = attributes.get(wire.NDA_LLADDR, b""), attributes.get(wire.NDA_DST)
    return Neighbour(mac.hex(":"), ip_address(to)) if to else None


_COUNTERS = struct.Struct("=8Q")  # the first eight of struct rtnl_link_stats64


def parse_stats(payload: bytes) -> InterfaceStats:
    counters = wire.split_attributes(payload, wire.LINK_SIZE).get(wire.IFLA_STATS64, b"")
    if len(counters) < _COUNTERS.size:
        return InterfaceStats()
    rx, tx, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped = _COUNTERS.unpack_from(counters)
    return InterfaceStats(rx_bytes, rx, rx_errors, rx_dropped, tx_bytes, tx, tx_errors, tx_dropped)
