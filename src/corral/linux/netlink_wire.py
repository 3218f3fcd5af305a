"""The words of rtnetlink: messages and attributes as bytes. Pure: nothing here opens a socket.

A message is a 16-byte header (length, type, flags, sequence, port), a fixed body by type, and attributes.
An attribute is a 4-byte header (length, type) and its value, padded to 4 bytes; values may be attributes again.
All integers are in the machine's byte order, addresses in the network's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH = 28, 29, 30

NLMSG_ERROR, NLMSG_DONE = 2, 3
REQUEST, ACK, DUMP = 1, 4, 0x300
REPLACE, EXCL, CREATE = 0x100, 0x200, 0x400
NESTED = 0x8000

IFF_UP, ALL_FLAGS = 1, 0xFFFFFFFF
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER, IFLA_IFALIAS = 1, 3, 4, 5, 10, 20
IFLA_LINKINFO, IFLA_STATS64, IFLA_AF_SPEC, IFLA_NET_NS_FD = 18, 23, 26, 28
IFLA_LINK_NETNSID = 37
IFLA_INFO_KIND, IFLA_INFO_DATA, IFLA_INFO_SLAVE_KIND, IFLA_INFO_SLAVE_DATA = 1, 2, 4, 5
VETH_INFO_PEER = 1
IFLA_MACVLAN_MODE, IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS, IFLA_VLAN_ID = 1, 1, 2, 1
IFLA_VXLAN_ID, IFLA_VXLAN_LOCAL, IFLA_VXLAN_LEARNING, IFLA_VXLAN_PORT, IFLA_VXLAN_LOCAL6 = 1, 4, 7, 15, 17
IFLA_INET6_ADDR_GEN_MODE, ADDR_GEN_EUI64, ADDR_GEN_NONE = 8, 0, 1
IFLA_BRPORT_MODE, IFLA_BRPORT_ISOLATED = 4, 33
IFLA_BR_FORWARD_DELAY, IFLA_BR_STP_STATE = 1, 5
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
IFA_F_NODAD, IFA_F_NOPREFIXROUTE = 2, 0x200
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_TABLE = 1, 4, 5, 15
SCOPE_LINK = 253
ONLINK = 4  # of a route: its gateway is on that link, whatever the addresses say
NDA_DST, NDA_LLADDR = 1, 2
NUD_PERMANENT, NTF_SELF = 0x80, 2
AF_INET, AF_INET6, AF_BRIDGE = 2, 10, 7

_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, dst len, src len, tos, table, protocol, scope, type, flags


def attribute(kind: int, value: bytes) -> bytes:
    """
    >>> attribute(3, b"lo\\0").hex()
    '070003006c6f0000'
    """
    size = 4 + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + b"\0" * (-size % 4)


def text(kind: int, value: str) -> bytes:
    return attribute(kind, value.encode() + b"\0")


def u8(kind: int, value: int) -> bytes:
    return attribute(kind, bytes([value]))


def u16(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=H", value))


def u32(kind: int, value: int) -> bytes:
    return attribute(kind, struct.pack("=I", value))


def nested(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(parts))


def link_body(index: int = 0, flags: int = 0, change: int = 0, family: int = 0) -> bytes:
    return _LINK.pack(family, 0, index, flags, change)


def address_body(family: int, prefix: int, index: int) -> bytes:
    return _ADDRESS.pack(family, prefix, 0, 0, index)


def route_body(family: int, prefix: int = 0, scope: int = 0, flags: int = 0) -> bytes:
    """A unicast route of the main table, made by an administrator (protocol 4: static)."""
    return _ROUTE.pack(family, prefix, 0, 0, 254, 4, scope, 1, flags)


def neighbour_body(family: int, index: int = 0, state: int = 0, flags: int = 0) -> bytes:
    return _NEIGHBOUR.pack(family, index, state, flags, 0)


def message(kind: int, flags: int, sequence: int, payload: bytes) -> bytes:
    return _HEADER.pack(16 + len(payload), kind, flags | REQUEST, sequence, 0) + payload


def split_messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, sequence, payload) of each message in what one recv returned."""
    return ((kind, sequence, payload) for kind, sequence, _, payload in _split(data))


def split_sent(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(type, port, payload): of a notification, the port of the socket that asked for what it tells of."""
    return ((kind, port, payload) for kind, _, port, payload in _split(data))


def _split(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    at = 0
    while at + 16 <= len(data):
        size, kind, _, sequence, port = _HEADER.unpack_from(data, at)
        yield kind, sequence, port, data[at + 16 : at + size]
        at += max(16, (size + 3) & ~3)


def split_attributes(data: bytes, skip: int = 0) -> dict[int, bytes]:
    """The attributes after a fixed body of `skip` bytes, by type; of equal ones the last.

    >>> split_attributes(text(3, "lo") + u32(4, 1500))[4].hex()
    'dc050000'
    """
    found = {}
    at = skip
    while at + 4 <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < 4:
            break
        found[kind & 0x3FFF] = data[at + 4 : at + size]
        at += (size + 3) & ~3
    return found


def error_code(payload: bytes) -> int:
    """The errno of an NLMSG_ERROR; 0 is an acknowledgement."""
    return -int(struct.unpack_from("=i", payload)[0])


def end_of_name(value: bytes) -> str:
    return value.rstrip(b"\0").decode(errors="replace")


def parse_link_body(payload: bytes) -> tuple[int, int]:
    """(index, flags)"""
    _, _, index, flags, _ = _LINK.unpack_from(payload)
    return index, flags


def went_down(payload: bytes) -> bool:
    """Whether the message tells of an interface that was up until now. One that was just made "changed" in all flags.

    >>> went_down(link_body(7, flags=0, change=IFF_UP)), went_down(link_body(7, flags=0, change=ALL_FLAGS))
    (True, False)
    """
    _, _, _, flags, change = _LINK.unpack_from(payload)
    return not flags & IFF_UP and bool(change & IFF_UP) and change != ALL_FLAGS


def parse_address_body(payload: bytes) -> tuple[int, int, int]:
    """(family, prefix, index)"""
    family, prefix, _, _, index = _ADDRESS.unpack_from(payload)
    return family, prefix, index


def parse_route_body(payload: bytes) -> tuple[int, int, int, int]:
    """(family, destination prefix, table, type)"""
    fields = _ROUTE.unpack_from(payload)
    return fields[0], fields[1], fields[4], fields[7]


def parse_neighbour_body(payload: bytes) -> tuple[int, int, int]:
    """(family, index, state)"""
    family, index, state, _, _ = _NEIGHBOUR.unpack_from(payload)
    return family, index, state


NEIGHBOUR_SIZE = _NEIGHBOUR.size
LINK_SIZE, ADDRESS_SIZE, ROUTE_SIZE = _LINK.size, _ADDRESS.size, _ROUTE.size
