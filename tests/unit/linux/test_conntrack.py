from __future__ import annotations

import socket
import struct

from corral.linux import netlink_wire as wire
from corral.linux.conntrack import matches


def original(protocol: int, port: int, to: str) -> bytes:
    ip = wire.nested(1, wire.attribute(1, b"\x7f\0\0\1"), wire.attribute(2, socket.inet_aton(to)))
    return ip + wire.nested(2, wire.u8(1, protocol), wire.attribute(3, struct.pack(">H", port)))


def test_only_the_flows_to_that_port_of_that_address() -> None:
    flow = original(17, 53, "192.0.2.1")
    assert matches(flow, 17, 53, "0.0.0.0")
    assert matches(flow, 17, 53, "192.0.2.1")
    assert not matches(flow, 17, 53, "192.0.2.2")
    assert not matches(flow, 17, 54, "0.0.0.0")
    assert not matches(original(6, 53, "192.0.2.1"), 17, 53, "0.0.0.0")
    assert not matches(b"", 17, 53, "0.0.0.0")
