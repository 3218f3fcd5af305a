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
_TUPLE, _REPLY, _TUPLE_IP, _TUPLE_PROTO, _FILTER, _FILTER_ORIG = 1, 2, 1, 2, 25, 1
_IP_SRC, _IP_DST = {4: 1, 16: 3}, {4: 2, 16: 4}  # attribute numbers by address length
_PROTO_NUM, _PROTO_DST_PORT = 1, 3
_BY_NUMBER_AND_PORT = 1 << 3 | 1 << 5
_GENERIC = 4  # the size of struct nfgenmsg
_UDP = 17


def forget_udp(port: int, host_ip: str, led_to: str = "") -> int:
    """Forgets the flows that began towards a UDP port of that address; an address that means all is all. With `led_to`
    only those that were led to there. How many.
    """
    family = socket.AF_INET6 if ":" in host_ip else socket.AF_INET
    try:
        with _open() as control:
            flows = [f for f in _flows(control, family, port) if matches(f[_TUPLE], port, host_ip)]
            tuples = [f[_TUPLE] for f in flows if not led_to or answered_by(f.get(_REPLY, b"")) == led_to]
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


def answered_by(reply: bytes) -> str:
    """Pure: the address that the answers of a flow come from (its reply's attributes), "" where there is none."""
    parts = wire.split_attributes(wire.split_attributes(reply).get(_TUPLE_IP, b""))
    return next((str(ip_address(parts[kind])) for kind in _IP_SRC.values() if kind in parts), "")


def _open() -> socket.socket:
    control = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER)
    control.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return control


def _flows(control: socket.socket, family: int, port: int) -> list[dict[int, bytes]]:
    """The flows to that port, as attributes. Kernels before 5.8 do not filter and tell of all flows."""
    protocol = wire.attribute(_PROTO_NUM, bytes([_UDP])) + wire.attribute(_PROTO_DST_PORT, struct.pack(">H", port))
    only = wire.nested(_TUPLE, wire.nested(_TUPLE_PROTO, protocol))
    only += wire.nested(_FILTER, wire.u32(_FILTER_ORIG, _BY_NUMBER_AND_PORT), wire.u32(_FILTER_ORIG + 1, 0))
    _ask(control, _GET, wire.DUMP, family, only)
    found = (wire.split_attributes(payload, _GENERIC) for payload in _answers(control))
    return [flow for flow in found if flow.get(_TUPLE)]


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
