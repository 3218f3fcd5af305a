"""A VXLAN interface and its entries, as the kernel shows them back; and being told when an interface changes."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from ipaddress import ip_address, ip_network

import pytest

from corral.linux import links
from corral.linux import netlink_wire as wire
from corral.linux.netlink import Neighbour, Netlink
from corral.linux.netlink_watch import Deleted, LinkWatch, NetlinkWatch
from tests.support.wait import PATIENCE

pytestmark = pytest.mark.root
NAME = "crvxlan"
INNER, OUTER, MAC = ip_address("10.244.1.0"), ip_address("192.0.2.9"), "0e:58:0a:f4:01:00"


SIX = ip_address("2001:db8::9")


@pytest.fixture
def netns() -> Iterator[int]:
    """A network namespace with an interface that has an address."""
    commands = (
        f"netns add {NAME}",
        f"-n {NAME} link add d0 type veth peer d1",
        f"-n {NAME} addr add 192.0.2.7/24 dev d0",
    )
    try:
        for command in (*commands, f"-n {NAME} link set d0 up"):
            subprocess.run(["ip", *command.split()], check=True, capture_output=True)
        with open(f"/run/netns/{NAME}") as file:
            yield file.fileno()
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)


def test_what_is_told_is_shown(netns: int) -> None:
    with Netlink.inside(netns) as netlink:
        local = ip_address("192.0.2.7")
        netlink.do(links.add_vxlan("v0", 4242, 4789, mac="0e:58:0a:f4:00:00", mtu=1450, local=local))
        link = netlink.link("v0")
        assert link is not None and link.up
        assert (link.kind, link.mac, link.mtu) == ("vxlan", "0e:58:0a:f4:00:00", 1450)
        index, to = link.index, ip_network("10.244.1.0/24")
        netlink.batch([links.add_neighbour(index, INNER, MAC), links.add_forwarding(index, MAC, OUTER)])
        netlink.do(links.add_route(INNER, to=to, index=index, replace=True, onlink=True))
        assert netlink.neighbours(index, wire.AF_INET) == [Neighbour(MAC, INNER)]
        assert netlink.neighbours(index, wire.AF_BRIDGE) == [Neighbour(MAC, OUTER)]
        assert netlink.ways()[to] == (INNER, index)
        for _ in range(2):  # what is gone is fine
            netlink.batch([links.delete_neighbour(index, INNER, MAC), links.delete_forwarding(index, MAC, OUTER)])
        assert netlink.neighbours(index, wire.AF_INET) == netlink.neighbours(index, wire.AF_BRIDGE) == []


@pytest.mark.parametrize("local", ["2001:db8::7", "::"])
def test_it_goes_over_ipv6(netns: int, local: str) -> None:
    """The family is that of the address that it sends from, though nobody says which one that is."""
    with Netlink.inside(netns) as netlink:
        netlink.do(links.add_vxlan("v6", 4242, 4789, mac="0e:58:0a:f4:00:00", mtu=1430, local=ip_address(local)))
        link = netlink.link("v6")
        assert link is not None and link.up
        netlink.do(links.add_forwarding(link.index, MAC, SIX))
        assert netlink.neighbours(link.index, wire.AF_BRIDGE) == [Neighbour(MAC, SIX)]


async def test_an_interface_that_goes_down_is_told_of(netns: int) -> None:
    told = asyncio.Event()
    watch = LinkWatch(told.set, netns)
    try:
        for word in ("down", "up"):
            told.clear()
            await asyncio.to_thread(subprocess.run, ["ip", "-n", NAME, "link", "set", "d0", word], check=True)
            await asyncio.wait_for(told.wait(), 60 * PATIENCE)
    finally:
        watch.close()


async def test_losses_are_told_of_and_what_is_made_or_was_down_is_not(netns: int) -> None:
    told: asyncio.Queue[Deleted] = asyncio.Queue()
    watch = NetlinkWatch(told.put_nowait, netns)
    try:
        for words in (
            "link add b0 type bridge",
            "link set d1 master b0",
            "link set d1 up",
            "link set b0 up",
            "link set d1 down",
            "link set d1 nomaster",
            "link set d1 mtu 1400",
            "link set b0 down",
            "addr flush dev d0",
        ):
            await asyncio.to_thread(subprocess.run, ["ip", "-n", NAME, *words.split()], check=True)
        found = [await asyncio.wait_for(told.get(), 10 * PATIENCE)]
        while found[-1].kind != "address" or found[-1].name != str(_index(netns, "d0")):
            found.append(await asyncio.wait_for(told.get(), 10 * PATIENCE))
        assert [one for one in found if one.kind != "address"] == [
            Deleted("down", "d1"),
            Deleted("link", "d1"),
            Deleted("down", "b0"),
        ]
    finally:
        watch.close()


def _index(netns: int, name: str) -> int:
    with Netlink.inside(netns) as netlink:
        link = netlink.link(name)
        assert link is not None
        return link.index
