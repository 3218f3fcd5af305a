"""A machine without a way out reaches Services over the pods' bridge, also when the way that it had has gone."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from ipaddress import ip_network

import pytest

from corral.daemon.cluster_network import keep_routes
from corral.linux.netlink import Netlink
from corral.linux.netlink_watch import RouteWatch
from tests.support.wait import PATIENCE, eventually

pytestmark = pytest.mark.root
NAME = "crlost"
SERVICES = ip_network("10.96.0.0/12")


def ip(*words: str) -> None:
    subprocess.run(["ip", "-n", NAME, *words], check=True, capture_output=True)


@pytest.fixture
def netns() -> Iterator[int]:
    """A network namespace with a bridge of pods, and another interface with the default route."""
    subprocess.run(["ip", "netns", "add", NAME], check=True)
    try:
        for words in ("link add d0 type veth peer d1", "addr add 192.0.2.7/24 dev d0", "link add pods type bridge"):
            ip(*words.split())
        ip("addr", "add", "10.244.0.1/24", "dev", "pods")
        for name in ("d0", "d1", "pods"):
            ip("link", "set", name, "up")
        ip("route", "add", "default", "via", "192.0.2.1")
        with open(f"/run/netns/{NAME}") as file:
            yield file.fileno()
    finally:
        subprocess.run(["ip", "netns", "delete", NAME], check=True)


@pytest.mark.parametrize("loss", ["route del default", "link set d0 down", "link del d0", "addr flush dev d0"])
async def test_a_way_that_goes_is_made_up_for(netns: int, loss: str) -> None:
    keeping = asyncio.create_task(keep_routes([SERVICES], "pods", netns))
    try:
        with Netlink.inside(netns) as netlink:
            await asyncio.sleep(0)  # it listens
            assert SERVICES not in netlink.ways()
            await asyncio.to_thread(ip, *loss.split())
            index = netlink.link("pods").index  # type: ignore[union-attr]
            here = lambda: netlink.ways().get(SERVICES) == (None, index)  # noqa: E731
            await asyncio.to_thread(eventually, here, "it leads over the bridge", seconds=20)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_who_has_the_same_services_takes_over(netns: int) -> None:
    """Two instances, of which the one with the route ends."""
    for words in ("route del default", "link add others type bridge", "link set others up"):
        ip(*words.split())
    ip("route", "add", str(SERVICES), "dev", "others")
    keeping = asyncio.create_task(keep_routes([SERVICES], "pods", netns))
    try:
        with Netlink.inside(netns) as netlink:
            await asyncio.sleep(0)
            await asyncio.to_thread(ip, "link", "del", "others")
            await asyncio.to_thread(eventually, lambda: SERVICES in netlink.ways(), "it is ours", seconds=20)
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_other_routes_are_not_told_of(netns: int) -> None:
    told: asyncio.Queue[None] = asyncio.Queue()
    watch = RouteWatch([SERVICES], lambda: told.put_nowait(None), netns)
    try:
        for words in ("route add 10.96.7.0/24 via 192.0.2.1", "route del 10.96.7.0/24", "route del default"):
            await asyncio.to_thread(ip, *words.split())
        await asyncio.wait_for(told.get(), 20 * PATIENCE)
    finally:
        watch.close()
    assert told.empty()
