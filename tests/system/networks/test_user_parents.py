"""Networks on an interface of the host: macvlan and ipvlan, and what stays of them after a kill."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from corral.errors import HostError, NotFound
from corral.linux import links
from corral.linux.netlink import Netlink
from corral.model.container import EndpointSpec
from corral.model.network import NetworkOptions, NetworkSpec, Pool
from corral.networks import Networks
from tests.system.networks.box import HOST_OUTSIDE, OUTSIDE, Box, ask, outside_world, restarted
from tests.system.networks.user_networks import HERE, lookup

pytestmark = pytest.mark.root


async def test_macvlan(networks: Networks, box: Callable[[], Box]) -> None:
    parent = f"out{os.getpid()}"
    with outside_world() as outside:
        await networks.create(
            NetworkSpec(
                "lan", "macvlan", pools=[Pool("198.18.77.0/24", "198.18.77.254")], options=NetworkOptions(parent=parent)
            )
        )
        one = await box().attach(networks, name="one", lan=EndpointSpec(ipv4="198.18.77.50"))
        two = await box().attach(networks, name="two", lan=EndpointSpec(ipv4="198.18.77.51"))
        one.serve(80)
        assert await ask("198.18.77.50", 80, two.netns) == "198.18.77.51"
        assert await ask("198.18.77.50", 80, outside) == OUTSIDE
        assert await lookup(two, "one") == (0, ["198.18.77.50"])
        await networks.disconnect(one.id, one.netns, "lan")
        with Netlink.inside(one.netns) as inside:
            assert [link.name for link in inside.links()] == ["lo"]
        await networks.detach(two.id)
        await networks.remove("lan")
        with pytest.raises(NotFound, match="interface nosuch0 does not exist"):
            await networks.create(NetworkSpec("x", "macvlan", options=NetworkOptions(parent="nosuch0")))


@pytest.mark.parametrize("driver", ["macvlan", pytest.param("ipvlan", marks=pytest.mark.in_guest)])  # few have it
async def test_a_parent_on_a_line_of_two_addresses(networks: Networks, box: Callable[[], Box], driver: str) -> None:
    """RFC 3021: one end is the router's, the other is the container's, unless the host has it itself."""
    ours, routers = "198.18.78.0", "198.18.78.1"
    parent = f"out{os.getpid()}"
    line = NetworkSpec("line", driver, pools=[Pool(f"{ours}/31", routers)], options=NetworkOptions(parent=parent))
    with outside_world(ours, routers, 31):
        await networks.create(line)
        with pytest.raises(HostError, match=rf"no available IPv4 addresses .*: line \(.*\) \({ours} is the host's\)"):
            await box().attach(networks, line=HERE)
        await networks.remove("line")
    with outside_world("", routers, 31) as outside:
        await networks.create(line)
        one = await box().attach(networks, line=HERE)
        assert (one.endpoint.ipv4, one.endpoint.ipv4_prefix, one.endpoint.gateway) == (ours, 31, routers)
        one.serve(80)
        assert await ask(ours, 80, outside) == routers
        with pytest.raises(HostError, match=r"no available IPv4 addresses .*: line \([0-9a-f]+\)$"):
            await box().attach(networks, line=HERE)
        await networks.detach(one.id)
        await networks.remove("line")


async def test_the_hosts_own_addresses_are_not_given_out(networks: Networks, box: Callable[[], Box]) -> None:
    with outside_world():
        options = NetworkOptions(parent=f"out{os.getpid()}")
        pool = Pool("198.18.77.0/29", "198.18.77.6", aux={"router": OUTSIDE})
        await networks.create(NetworkSpec("lan", "macvlan", pools=[pool], options=options))
        shop = await networks.create(NetworkSpec("shop"))
        one = await box().attach(networks, name="one", lan=HERE)
        two = await box().attach(networks, name="two", shop=HERE)
        await networks.connect(two.id, two.netns, "lan", HERE)
        given = [one.endpoint.ipv4, two.endpoints["lan"].ipv4]
        assert given == ["198.18.77.3", "198.18.77.4"], f"{HOST_OUTSIDE} is the host's"
        assert shop.driver == "bridge"
        for each in (one, two):
            await networks.detach(each.id)
        await networks.remove("lan")


async def test_a_macvlan_that_a_killed_daemon_had_begun_goes(
    networks: Networks, box: Callable[[], Box], tmp_path: Path
) -> None:
    with outside_world():
        options = NetworkOptions(parent=f"out{os.getpid()}")
        shop = await networks.create(NetworkSpec("shop"))
        lan = await networks.create(NetworkSpec("lan", "macvlan", pools=[Pool("198.18.79.0/24")], options=options))
        one = await box().attach(networks, name="one", shop=HERE)
        recorded = dict(one.endpoints)
        await networks.connect(one.id, one.netns, "lan", HERE)
        with Netlink.inside(one.netns) as inside:  # one that the container made for itself, on its own interface
            own = inside.link("eth0")
            assert own is not None
            inside.do(links.add_macvlan("mine", own.index, one.netns, mode="bridge"))
        await networks.close()
        async with restarted(networks, tmp_path, shop, lan) as again:
            assert await again.restore(one.id, recorded, [], name="one", netns=one.netns) == []
            with Netlink.inside(one.netns) as inside:
                assert sorted(link.name for link in inside.links()) == ["eth0", "lo", "mine"]
