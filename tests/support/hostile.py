"""Rules that libnftables 1.0.6 dies of: what a newer nft notes beside a set, and whoever writes to the kernel may."""

from __future__ import annotations

import socket
import struct

from corral.linux import netlink_wire as wire

# Notes (userdata) are for nft alone: the kernel keeps them unread.
KEY_TYPEOF, EXPRESSION, EXPRESSION_DATA = 3, 0, 1
VERDICT, VALUE, UNKNOWN = 1, 4, 200
NEWTABLE, NEWSET, NFTABLES, NETFILTER = 0, 9, 10, 12
IPV4_ADDR, INET = 7, 1


def write_set(table: str, kind: int) -> None:
    """A set of IPv4 addresses, in the calling thread's namespace, whose note says that its keys are made by an
    expression of a kind."""
    typeof = _note(EXPRESSION, struct.pack("=I", kind)) + _note(EXPRESSION_DATA, _note(0, bytes(4)))
    made = [
        wire.text(1, table),
        wire.text(2, "own4"),
        wire.u32(3, 0),
        _big(4, IPV4_ADDR),
        _big(5, 4),
        _big(10, 1),
        wire.attribute(13, _note(KEY_TYPEOF, typeof)),
    ]
    batch = [(16, 0, _head(0, NFTABLES)), (NFTABLES << 8 | NEWTABLE, 0x400, _head(INET, 0) + wire.text(1, table))]
    batch += [(NFTABLES << 8 | NEWSET, 0x404, _head(INET, 0) + b"".join(made)), (17, 0, _head(0, NFTABLES))]
    data = b"".join(wire.message(kind, flags | 1, seq, body) for seq, (kind, flags, body) in enumerate(batch, 1))
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETFILTER) as kernel:
        kernel.settimeout(60)
        kernel.send(data)
        for _, _, payload in wire.split_messages(kernel.recv(1 << 16)):
            assert struct.unpack_from("=i", payload)[0] == 0, f"errno {-struct.unpack_from('=i', payload)[0]}"


def _note(kind: int, value: bytes) -> bytes:
    return bytes([kind, len(value)]) + value


def _head(family: int, resource: int) -> bytes:
    return struct.pack(">BBH", family, 0, resource)


def _big(kind: int, value: int) -> bytes:
    return wire.attribute(kind, struct.pack(">I", value))
