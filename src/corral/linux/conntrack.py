"""Connection tracking: the kernel remembers where each flow goes, for as long as packets come.

For UDP that outlives the rules: a sender that never pauses keeps talking to where its first packet was led,
whatever has been published or withdrawn since. So such flows are forgotten when a UDP port changes hands.
"""

from __future__ import annotations

import errno
import socket
import struct
from ipaddress import ip_address

from corral.errors import HostError, from_oserror
from corral.linux import netlink_wire as wire

_NETFILTER = 12
_GET, _DELETE = 1 << 8 | 1, 1 << 8 | 2  # subsystem conntrack
_TUPLE, _TUPLE_IP, _TUPLE_PROTO, _FILTER, _FILTER_ORIG = 1, 1, 2, 25, 1
_IP_DST = {4: 2, 16: 4}  # attribute numbers of the destination by address length
_PROTO_NUM, _PROTO_DST_PORT = 1, 3
_BY_NUMBER_AND_PORT = 1 << 3 | 1 << 5
_GENERIC = 4  # the size of struct nfgenmsg
_UDP = 17


def forget_udp(port: int, host_ip: str) -> int:
    """Forgets the flows that began towards a UDP port of the host; an address that means all is all. How many."""
    family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
    try:
        with _open() as control:
            tuples = [t for t in _flows(control, family, port) if matches(t, port, host_ip)]
            for found in tuples:
                _ask(control, _DELETE, wire.ACK, family, wire.nested(_TUPLE, found))
                _answers(control)
    except OSError as error:
        raise from_oserror(f"forget the flows of udp port {port}", error) from error
    return len(tuples)


def matches(original: bytes, port: int, host_ip: str) -> bool:
    """Pure: whether a flow's first packet (its tuple's attributes) went to that UDP port of that address."""
    parts = wire.split_attributes(original)
    protocol = wire.split_attributes(parts.get(_TUPLE_PROTO, b""))
    if protocol.get(_PROTO_NUM) != bytes([_UDP]) or protocol.get(_PROTO_DST_PORT) != struct.pack(">H", port):
        return False
    wanted = ip_address(host_ip)
    seen = wire.split_attributes(parts.get(_TUPLE_IP, b"")).get(_IP_DST[len(wanted.packed)])
    return wanted.is_unspecified or seen == wanted.packed


def _open() -> socket.socket:
    control = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    control.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return control


def _flows(control: socket.socket, family: int, port: int) -> list[bytes]:
    """The original tuples of the flows to that port. Kernels before 5.8 do not filter and tell of all flows."""
    protocol = wire.attribute(_PROTO_NUM, bytes([_UDP])) + wire.attribute(_PROTO_DST_PORT, struct.pack(">H", port))
    only = wire.nested(_TUPLE, wire.nested(_TUPLE_PROTO, protocol))
    only += wire.nested(_FILTER, wire.u32(_FILTER_ORIG, _BY_NUMBER_AND_PORT), wire.u32(_FILTER_ORIG + 1, 0))
    _ask(control, _GET, wire.DUMP, family, only)
    found = (wire.split_attributes(payload, _GENERIC).get(_TUPLE, b"") for payload in _answers(control))
    return [original for original in found if original]


def _ask(control: socket.socket, kind: int, flags: int, family: int, attributes: bytes) -> None:
    control.send(wire.message(kind, flags, 1, bytes([family, 0, 0, 0]) + attributes))


def _answers(control: socket.socket) -> list[bytes]:
    """Until the end of a list, or an acknowledgement. A flow that ended by itself meanwhile is fine."""
    found: list[bytes] = []
    while True:
        for kind, _, payload in wire.split_messages(control.recv(1 << 17)):
            if kind == wire.NLMSG_DONE:
                return found
            if kind == wire.NLMSG_ERROR:
                code = wire.error_code(payload)
                if code not in (0, errno.ENOENT):
                    raise HostError(f"connection tracking refused: errno {code}", code)
                return found
            found.append(payload)
