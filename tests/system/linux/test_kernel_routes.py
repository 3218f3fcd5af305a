"""The routes to other nodes' pods: those of another instance stay as they are."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from corral.cluster.routing.keeper import Place, keep_routes, keep_tunnel, plan_entries, read_record
from corral.cluster.routing.plan import Far
from corral.cluster.routing.tunnel import plan_tunnel
from corral.linux import links
from corral.linux.namespaces import in_netns
from corral.linux.netlink import Netlink

pytestmark = pytest.mark.root
NAME = "crroutes"
OTHERS, OURS = ip_address("192.0.2.9"), ip_address("192.0.2.8")
SUBNET, NEXT = ip_network("10.244.1.0/24"), ip_network("10.244.2.0/24")


@pytest.fixture
def netlink() -> Iterator[Netlink]:
    """In a network namespace with an interface that has an address."""
    commands = (
        f"netns add {NAME}",
        f"-n {NAME} link add d0 type veth peer d1",
        f"-n {NAME} addr add 192.0.2.7/24 dev d0",
    )
    try:
        for command in (*commands, f"-n {NAME} link set d0 up", f"-n {NAME} link set d1 up"):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        with open(f"/run/netns/{NAME}") as file, Netlink.inside(file.fileno()) as inside:
            yield inside
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)


def test_another_s_route_is_neither_replaced_nor_removed(netlink: Netlink, tmp_path: Path) -> None:
    place = Place("v0", 4242, tmp_path / "routes")
    netlink.do(links.add_route(OTHERS, to=SUBNET))
    for wanted in ({SUBNET: OURS, NEXT: OURS}, {NEXT: OURS}, {}):
        failed = keep_routes(netlink, place, wanted)
        assert (SUBNET in wanted) == (failed is not None and "another route leads there" in failed.message)
        ways = netlink.ways()
        assert ways[SUBNET][0] == OTHERS
        assert (NEXT in ways) == (NEXT in wanted) == (NEXT in read_record(place.record))


def test_our_own_route_is_replaced_and_goes(netlink: Netlink, tmp_path: Path) -> None:
    place = Place("v0", 4242, tmp_path / "routes")
    for gateway in (OTHERS, OURS):  # the node has got another address
        assert keep_routes(netlink, place, {SUBNET: gateway}) is None
        assert netlink.ways()[SUBNET][0] == gateway
    netlink.do(links.delete_route(SUBNET, OTHERS))  # not this one's gateway
    assert netlink.ways()[SUBNET][0] == OURS
    assert keep_routes(netlink, place, {}) is None and SUBNET not in netlink.ways()


def test_the_tunnel_leaves_another_s_route(netlink: Netlink, tmp_path: Path) -> None:
    place = Place("v0", 4242, tmp_path / "routes")
    mine = ip_address("192.0.2.7")
    far = {subnet: Far(ip_address("198.51.100.9"), subnet) for subnet in (SUBNET, NEXT)}
    tunnel = plan_tunnel(far, [ip_network("10.244.0.0/24")], [mine], [(mine, 1500)])
    netlink.do(links.add_route(OTHERS, to=SUBNET))
    failed = keep_tunnel(netlink, place, tunnel)
    assert failed is not None and str(SUBNET) in failed.message
    link = netlink.link("v0")
    assert link is not None and netlink.ways()[NEXT] == (NEXT.network_address, link.index)
    assert netlink.ways()[SUBNET][0] == OTHERS
    # A node that comes onto this machine's network: the way through the tunnel is ours to replace.
    assert keep_routes(netlink, place, {NEXT: OURS}) is None and netlink.ways()[NEXT][0] == OURS


def test_one_tunnel_takes_both_families_and_keeps_its_entries(netlink: Netlink, tmp_path: Path) -> None:
    place = Place("v0", 4242, tmp_path / "routes")
    mine, six = ip_address("192.0.2.7"), ip_network("fd00:10:244:1::/64")
    far = Far(ip_address("198.51.100.9"), SUBNET)
    own = [ip_network("10.244.0.0/24"), ip_network("fd00:10:244::/64")]
    tunnel = plan_tunnel({SUBNET: far, six: far}, own, [mine], [(mine, 1500)])
    assert tunnel is not None
    for _ in range(2):  # what is there stays
        assert keep_tunnel(netlink, place, tunnel) is None
        link = netlink.link("v0")
        assert link is not None
        ways = netlink.ways()
        assert {ways[one.subnet] for one in tunnel.peers} == {(one.inner, link.index) for one in tunnel.peers}
        inner = [links.add_address(link.index, one, 32 if one.version == 4 else 64) for one in tunnel.inner]
        sources = [links.add_address(link.index, one, 128) for one in tunnel.sources]
        assert plan_entries(netlink, link, tunnel) == inner + sources
    # Whatever other addresses the machine has, one comes from where the way back leads to.
    other = netlink.link("lo")
    assert other is not None
    netlink.do(links.add_address(other.index, ip_address("fd00:10:244:1:8000::1"), 128))
    with open(f"/run/netns/{NAME}") as file:
        asker = in_netns(file.fileno(), lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
    with asker:
        asker.connect((str(six.network_address + 2), 8080))
        assert asker.getsockname()[0] == "fd00:10:244::1"
    four = plan_tunnel({SUBNET: far}, own, [mine], [(mine, 1500)])
    assert keep_tunnel(netlink, place, four) is None and six not in netlink.ways()
    assert keep_tunnel(netlink, place, None) is None and netlink.link("v0") is None
