"""Being told when an interface or a firewall table is deleted or changes: by hand, or by another program's reload."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import NamedTuple

from corral.errors import from_oserror
from corral.linux import netlink_wire as wire
from corral.linux.namespaces import in_netns
from corral.linux.netlink import Network, parse_route

_ROUTE, _NETFILTER = 0, 12
_GROUP_LINK, _GROUP_NFTABLES = 1, 7
_GROUP_IPV4, _GROUP_IPV6 = 5, 9  # addresses
_GROUP_ROUTES4, _GROUP_ROUTES6 = 7, 11
_ADD_MEMBERSHIP, _SOL_NETLINK = 1, 270
_SO_ATTACH_FILTER = 26
_NFT_DELTABLE, _NFT_DELRULE, _NFT_DELSETELEM = 10 << 8 | 2, 10 << 8 | 8, 10 << 8 | 14  # subsystem nftables
_NFTA_TABLE_NAME = 1  # NFTA_RULE_TABLE and NFTA_SET_ELEM_LIST_TABLE as well
_NFGEN_SIZE = 4
_OF_TABLES = {_NFT_DELTABLE: "table", _NFT_DELRULE: "rule", _NFT_DELSETELEM: "element"}
_LOAD_HALF, _LOAD_WORD, _EQUAL, _ANY_BIT, _END = 0x28, 0x20, 0x15, 0x45, 0x06  # instructions of filters


class Deleted(NamedTuple):
    """What is gone; ("", "") when messages were lost and anything may be."""

    kind: str  # "link", "down" (it is there), "address", "table", "rule" or "element"
    name: str  # of an address: its interface's index; of a rule or an element of a map or set: its table's name
    by: int = 0  # the netlink port of whoever did that to a table


class _Watch(ABC):
    """Sockets of netlink that are read until `close`. `_hear` gets what came; nothing, when more came than the buffer
    took."""

    def __init__(self, sockets: Sequence[socket.socket]) -> None:
        self._loop = asyncio.get_running_loop()
        self._sockets = list(sockets)
        for listening in self._sockets:
            self._loop.add_reader(listening, self._read, listening)

    def _read(self, listening: socket.socket) -> None:
        try:
            data = listening.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:  # ENOBUFS
            data = b""
        self._hear(data)

    @abstractmethod
    def _hear(self, data: bytes) -> None: ...

    def close(self) -> None:
        for listening in self._sockets:
            self._loop.remove_reader(listening)
            listening.close()
        self._sockets = []


class NetlinkWatch(_Watch):
    """Calls `told` for every interface that is deleted, goes down or loses addresses and every nftables table that is
    deleted or loses rules or elements, until closed: in the namespace behind a descriptor, without one in that of the
    caller."""

    def __init__(self, told: Callable[[Deleted], None], netns: int | None = None) -> None:
        self._told = told
        sockets = _listen_all() if netns is None else in_netns(netns, _listen_all)
        # A host with busy containers makes many messages about interfaces; the kernel keeps the rest to itself.
        _only_losses(sockets[0])
        super().__init__(sockets)

    def _hear(self, data: bytes) -> None:
        for event in parse_deleted(data) if data else [Deleted("", "")]:
            self._told(event)


class LinkWatch(_Watch):
    """Calls `told` when an interface is made, changes (up, down, its carrier) or goes, or an address does, until
    closed: in the namespace behind a descriptor, without one in that of the caller. Ports of bridges, where containers
    come and go, are left out."""

    def __init__(self, told: Callable[[], None], netns: int | None = None) -> None:
        self._told = told
        super().__init__(_listen_links() if netns is None else in_netns(netns, _listen_links))

    def _hear(self, data: bytes) -> None:
        if not data or concerns_more_than_ports(data):
            self._told()


class RouteWatch(_Watch):
    """Calls `told` when a way to one of the networks may have gone, until closed: a route was deleted, or an interface
    went, went down or lost an address, which takes routes along without a word. In the namespace behind a descriptor,
    without one in that of the caller."""

    def __init__(self, networks: Sequence[Network], told: Callable[[], None], netns: int | None = None) -> None:
        self._networks, self._told = networks, told
        sockets = _listen_routes() if netns is None else in_netns(netns, _listen_routes)
        _only_losses(sockets[0])
        super().__init__(sockets)

    def _hear(self, data: bytes) -> None:
        if not data or loses_ways(data, self._networks):
            self._told()


def loses_ways(data: bytes, networks: Sequence[Network]) -> bool:
    """Pure: whether one of the messages, of losses, is of an interface that is no port of a bridge, or of a route that
    led to all of one of the networks.

    >>> from ipaddress import ip_network
    >>> services = [ip_network("10.96.0.0/12")]
    >>> gone = lambda prefix: wire.message(wire.RTM_DELROUTE, 0, 0, wire.route_body(wire.AF_INET, prefix))
    >>> loses_ways(gone(0), services), loses_ways(gone(24), services)
    (True, False)
    """
    for kind, _, payload in wire.split_messages(data):
        if kind == wire.RTM_DELROUTE:
            route = parse_route(payload)
            if route is not None and any(covers(route[1], one) for one in networks):
                return True
        elif kind == wire.RTM_DELADDR or (kind in (wire.RTM_NEWLINK, wire.RTM_DELLINK) and not _is_port(payload)):
            return True
    return False


def covers(wide: Network, narrow: Network) -> bool:
    """Pure: whether a route to the one leads to all of the other.

    >>> from ipaddress import ip_network as net
    >>> covers(net("0.0.0.0/0"), net("10.96.0.0/12")), covers(net("::/0"), net("10.96.0.0/12"))
    (True, False)
    """
    same = wide.version == narrow.version and wide.prefixlen <= narrow.prefixlen
    return same and narrow.network_address in wide


def concerns_more_than_ports(data: bytes) -> bool:
    """Pure: whether one of the messages is about anything else than a port of a bridge.

    >>> port = wire.link_body(7) + wire.text(wire.IFLA_IFNAME, "c1") + wire.u32(wire.IFLA_MASTER, 3)
    >>> concerns_more_than_ports(wire.message(wire.RTM_NEWLINK, 0, 0, port))
    False
    """
    for kind, _, payload in wire.split_messages(data):
        if kind not in (wire.RTM_NEWLINK, wire.RTM_DELLINK) or not _is_port(payload):
            return True
    return False


def _is_port(payload: bytes) -> bool:
    """Whether a message about an interface is about a bridge's port."""
    return wire.IFLA_MASTER in wire.split_attributes(payload, wire.LINK_SIZE)


def parse_deleted(data: bytes) -> list[Deleted]:
    """Pure: the deletions among the messages that one recv returned.

    >>> body = wire.link_body(7) + wire.text(wire.IFLA_IFNAME, "corral0")
    >>> parse_deleted(wire.message(wire.RTM_DELLINK, 0, 0, body))
    [Deleted(kind='link', name='corral0', by=0)]
    >>> rule = wire.message(_NFT_DELRULE, 0, 0, bytes(_NFGEN_SIZE) + wire.text(_NFTA_TABLE_NAME, "corral"))
    >>> parse_deleted(rule + rule)
    [Deleted(kind='rule', name='corral', by=0)]
    """
    found = []
    for kind, port, payload in wire.split_sent(data):
        if kind == wire.RTM_DELLINK or (kind == wire.RTM_NEWLINK and wire.went_down(payload)):
            name = wire.split_attributes(payload, wire.LINK_SIZE).get(wire.IFLA_IFNAME, b"")
            found.append(Deleted("link" if kind == wire.RTM_DELLINK else "down", wire.end_of_name(name)))
        elif kind == wire.RTM_DELADDR:
            found.append(Deleted("address", str(wire.parse_address_body(payload)[-1])))
        elif kind in _OF_TABLES:
            name = wire.split_attributes(payload, _NFGEN_SIZE).get(_NFTA_TABLE_NAME, b"")
            found.append(Deleted(_OF_TABLES[kind], wire.end_of_name(name), port))
    return list(dict.fromkeys(found))


def _listen_all() -> list[socket.socket]:
    return [_listen(_ROUTE, _GROUP_LINK, _GROUP_IPV4, _GROUP_IPV6), _listen(_NETFILTER, _GROUP_NFTABLES)]


def _listen_routes() -> list[socket.socket]:
    losses = _listen(_ROUTE, _GROUP_LINK, _GROUP_IPV4, _GROUP_IPV6)
    return [losses, _listen(_ROUTE, _GROUP_ROUTES4, _GROUP_ROUTES6)]


def _listen_links() -> list[socket.socket]:
    return [_listen(_ROUTE, group) for group in (_GROUP_LINK, _GROUP_IPV4, _GROUP_IPV6)]


def _listen(protocol: int, *groups: int) -> socket.socket:
    listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        listening.bind((0, 0))
        for group in groups:
            listening.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError as error:
        listening.close()
        raise from_oserror("listen to the kernel's netlink messages", error) from error
    return listening


def _only_losses(listening: socket.socket) -> None:
    """A filter in the kernel, for what `parse_deleted` knows of interfaces. It reads big-endian, netlink speaks the
    machine's order."""
    up, change = 16 + 8, 16 + 12  # of a link message: the flags, and which of them changed
    steps = [
        (_LOAD_HALF, 0, 0, 4),  # the message's type
        (_EQUAL, 8, 0, _seen("=H", wire.RTM_DELLINK)),  # on equal go on 8 further: take it
        (_EQUAL, 7, 0, _seen("=H", wire.RTM_DELADDR)),
        (_EQUAL, 0, 5, _seen("=H", wire.RTM_NEWLINK)),  # else 5 further: drop it
        (_LOAD_WORD, 0, 0, up),
        (_ANY_BIT, 3, 0, _seen("=I", wire.IFF_UP)),
        (_LOAD_WORD, 0, 0, change),
        (_EQUAL, 1, 0, wire.ALL_FLAGS),
        (_ANY_BIT, 1, 0, _seen("=I", wire.IFF_UP)),
        (_END, 0, 0, 0),  # drop it
        (_END, 0, 0, 0xFFFFFFFF),  # take the whole message
    ]
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(program, len(program))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", len(steps), ctypes.addressof(buffer)))


def _seen(format: str, value: int) -> int:
    return int.from_bytes(struct.pack(format, value), "big")
