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

_ROUTE, _NETFILTER = 0, 12
_GROUP_LINK, _GROUP_NFTABLES = 1, 7
_GROUP_IPV4, _GROUP_IPV6 = 5, 9  # addresses
_ADD_MEMBERSHIP, _SOL_NETLINK = 1, 270
_SO_ATTACH_FILTER = 26
_NFT_DELTABLE, _NFT_DELRULE = 10 << 8 | 2, 10 << 8 | 8  # subsystem nftables, messages DELTABLE and DELRULE
_NFTA_TABLE_NAME = _NFTA_RULE_TABLE = 1
_NFGEN_SIZE = 4


class Deleted(NamedTuple):
    """What is gone; ("", "") when messages were lost and anything may be."""

    kind: str  # "link", "table", or "rule": one or several, also such as are made anew at once
    name: str  # of a rule: of its table


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
    """Calls `told` for every interface and nftables table that is deleted or loses rules, until closed: in the
    namespace behind a descriptor, without one in that of the caller."""

    def __init__(self, told: Callable[[Deleted], None], netns: int | None = None) -> None:
        self._told = told
        sockets = _listen_all() if netns is None else in_netns(netns, _listen_all)
        # A host with busy containers makes many messages about interfaces; the kernel keeps the rest to itself.
        _only(sockets[0], wire.RTM_DELLINK)
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


def concerns_more_than_ports(data: bytes) -> bool:
    """Pure: whether one of the messages is about anything else than a port of a bridge.

    >>> port = wire.link_body(7) + wire.text(wire.IFLA_IFNAME, "c1") + wire.u32(wire.IFLA_MASTER, 3)
    >>> concerns_more_than_ports(wire.message(wire.RTM_NEWLINK, 0, 0, port))
    False
    """
    for kind, _, payload in wire.split_messages(data):
        about_link = kind in (wire.RTM_NEWLINK, wire.RTM_DELLINK)
        if not about_link or wire.IFLA_MASTER not in wire.split_attributes(payload, wire.LINK_SIZE):
            return True
    return False


def parse_deleted(data: bytes) -> list[Deleted]:
    """Pure: the deletions among the messages that one recv returned.

    >>> body = wire.link_body(7) + wire.text(wire.IFLA_IFNAME, "corral0")
    >>> parse_deleted(wire.message(wire.RTM_DELLINK, 0, 0, body))
    [Deleted(kind='link', name='corral0')]
    >>> rule = wire.message(_NFT_DELRULE, 0, 0, bytes(_NFGEN_SIZE) + wire.text(_NFTA_RULE_TABLE, "corral"))
    >>> parse_deleted(rule + rule)
    [Deleted(kind='rule', name='corral')]
    """
    found = []
    for kind, _, payload in wire.split_messages(data):
        if kind == wire.RTM_DELLINK:
            name = wire.split_attributes(payload, wire.LINK_SIZE).get(wire.IFLA_IFNAME, b"")
            found.append(Deleted("link", wire.end_of_name(name)))
        elif kind == _NFT_DELTABLE:
            name = wire.split_attributes(payload, _NFGEN_SIZE).get(_NFTA_TABLE_NAME, b"")
            found.append(Deleted("table", wire.end_of_name(name)))
        elif kind == _NFT_DELRULE:
            name = wire.split_attributes(payload, _NFGEN_SIZE).get(_NFTA_RULE_TABLE, b"")
            found.append(Deleted("rule", wire.end_of_name(name)))
    return list(dict.fromkeys(found))


def _listen_all() -> list[socket.socket]:
    return [_listen(_ROUTE, _GROUP_LINK), _listen(_NETFILTER, _GROUP_NFTABLES)]


def _listen_links() -> list[socket.socket]:
    return [_listen(_ROUTE, group) for group in (_GROUP_LINK, _GROUP_IPV4, _GROUP_IPV6)]


def _listen(protocol: int, group: int) -> socket.socket:
    listening = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, protocol)
    try:
        listening.bind((0, 0))
        listening.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)
    except OSError as error:
        listening.close()
        raise from_oserror("listen to the kernel's netlink messages", error) from error
    return listening


def _only(listening: socket.socket, kind: int) -> None:
    """A filter in the kernel: messages of one type. It reads big-endian, netlink speaks the machine's order."""
    seen = int.from_bytes(struct.pack("=H", kind), "big")
    program = b"".join(
        struct.pack("=HBBI", *instruction)
        for instruction in [
            (0x28, 0, 0, 4),  # load the half word at byte 4: the type
            (0x15, 0, 1, seen),  # if it is ours go on, else skip one
            (0x06, 0, 0, 0xFFFFFFFF),  # take the whole message
            (0x06, 0, 0, 0),  # drop it
        ]
    )
    buffer = ctypes.create_string_buffer(program, len(program))
    listening.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 4, ctypes.addressof(buffer)))
