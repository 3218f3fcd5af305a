from __future__ import annotations

import struct
from ipaddress import ip_address, ip_network

from corral.linux import links
from corral.linux import netlink_wire as wire
from corral.linux.netlink import parse_address, parse_link, parse_route, parse_stats
from corral.linux.netlink_watch import Deleted, parse_deleted


def test_attributes_survive_the_wire() -> None:
    packed = wire.text(3, "eth0") + wire.u8(1, 7) + wire.nested(18, wire.u32(4, 9))
    assert len(packed) % 4 == 0
    found = wire.split_attributes(packed)
    assert (wire.end_of_name(found[3]), found[1]) == ("eth0", b"\7")
    assert wire.split_attributes(found[18]) == {4: struct.pack("=I", 9)}


def test_damaged_attributes_end_the_list() -> None:
    assert wire.split_attributes(b"\x01\x00\x03\x00rest") == {}
    assert wire.split_attributes(b"\x08") == {}


def test_several_messages_in_one_read() -> None:
    data = wire.message(16, 0, 1, b"abcd") + wire.message(3, 0, 2, b"")
    assert list(wire.split_messages(data)) == [(16, 1, b"abcd"), (3, 2, b"")]


def test_requests_are_understood_by_the_parser() -> None:
    veth = parse_link(links.add_veth("c1", "eth0", 9, master=5, mtu=1400).payload)
    assert (veth.name, veth.up, veth.kind, veth.master, veth.mtu) == ("c1", True, "veth", 5, 1400)
    bridge = parse_link(links.add_bridge("b", "02:42:0a:40:00:01").payload)
    assert (bridge.kind, bridge.mac, bridge.up) == ("bridge", "02:42:0a:40:00:01", False)
    for text, prefix in (("10.0.0.2", 16), ("fd00::2", 64)):
        request = links.add_address(3, ip_address(text), prefix)
        assert parse_address(request.payload) == (3, ip_address(text), prefix)
    route = links.add_route(ip_address("10.0.0.1"), to=ip_network("192.0.2.0/24"), index=4)
    assert parse_route(route.payload) == (4, ip_network("192.0.2.0/24"))
    assert parse_route(links.add_route(ip_address("fd00::1")).payload) == (0, ip_network("::/0"))


def test_local_routes_are_left_out() -> None:
    local = struct.pack("=BBBBBBBBI", 2, 32, 0, 0, 255, 2, 0, 2, 0)
    assert parse_route(local) is None


def test_counters() -> None:
    counters = struct.pack("=8Q", *range(1, 9)) + bytes(64)
    seen = parse_stats(wire.link_body(1) + wire.attribute(wire.IFLA_STATS64, counters))
    assert (seen.rx_packets, seen.tx_packets, seen.rx_bytes, seen.tx_bytes, seen.tx_dropped) == (1, 2, 3, 4, 8)
    assert parse_stats(wire.link_body(1)).rx_bytes == 0


def test_deletions() -> None:
    table = wire.message(10 << 8 | 2, 0, 0, bytes(4) + wire.text(1, "corral"))
    other = wire.message(10 << 8 | 0, 0, 0, bytes(4) + wire.text(1, "corral"))
    assert parse_deleted(other + table) == [Deleted("table", "corral")]
