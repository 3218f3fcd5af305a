"""Networks that somebody made, with real packets: who reaches whom, by which address and by which name."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack, closing
from ipaddress import IPv4Network, ip_address, ip_network
from itertools import product
from pathlib import Path

import pytest

from corral.errors import Conflict, Forbidden, HostError, NotFound
from corral.linux import links
from corral.linux.namespaces import in_netns
from corral.linux.netlink import Netlink
from corral.linux.nftables import Nft
from corral.model.container import EndpointSpec, PortBinding
from corral.model.network import NetworkOptions, NetworkSpec, Pool
from corral.networks import Networks
from corral.networks.dns import wire
from corral.networks.publish import Published, Publisher
from corral.networks.wires import Wires
from tests.system.networks.box import HOST_OUTSIDE, LONG, OUTSIDE, SHORT, Box, ask, outside_world
from tests.system.networks.user_networks import HERE, NAMES, create_own, lookup

pytestmark = pytest.mark.root


async def test_networks_are_apart_until_they_are_joined(networks: Networks, box: Callable[[], Box]) -> None:
    for name in ("front", "back"):
        await networks.create(NetworkSpec(name))
    web = await box().attach(networks, PortBinding(80), name="web", front=HERE)
    db = await box().attach(networks, name="db", back=HERE)
    for one in (web, db):
        one.serve(80)
    with pytest.raises(OSError):
        await ask(db.endpoint.ipv4, 80, web.netns, seconds=SHORT)
    assert (await lookup(web, "db"))[0] != 0
    port = web.ports[0].host_port
    assert await ask(networks.gateway, port, db.netns) == networks.need("front").pools[0].gateway

    endpoints, _ = await networks.connect(web.id, web.netns, "back", EndpointSpec(aliases=["www"]))
    assert [endpoints[name].interface for name in ("front", "back")] == ["eth0", "eth1"]
    assert await ask(db.endpoint.ipv4, 80, web.netns) == endpoints["back"].ipv4
    assert await lookup(db, "www") == (0, [endpoints["back"].ipv4])
    with pytest.raises(Forbidden, match="endpoint with name web already exists in network back"):
        await networks.connect(web.id, web.netns, "back", HERE)

    _, ports = await networks.disconnect(web.id, web.netns, "front")
    assert [port.host_port for port in ports] == [port, port]  # led by way of the other now
    assert await ask("127.0.0.1", port) == networks.need("back").pools[0].gateway
    await networks.disconnect(web.id, web.netns, "back")
    with pytest.raises(OSError):
        await ask("127.0.0.1", port, seconds=SHORT)
    with Netlink.inside(web.netns) as inside:
        assert [link.name for link in inside.links()] == ["lo"]
    with pytest.raises(Forbidden, match="is not connected to network back"):
        await networks.disconnect(web.id, web.netns, "back")


async def test_a_container_s_own_interface_keeps_its_name(networks: Networks, box: Callable[[], Box]) -> None:
    for name in ("front", "back"):
        await networks.create(NetworkSpec(name))
    web = await box().attach(networks, name="web", front=HERE)
    with Netlink.inside(web.netns) as inside:
        inside.do(links.add_bridge("eth1", "02:42:00:00:00:09"))
    endpoints, _ = await networks.connect(web.id, web.netns, "back", HERE)
    assert endpoints["back"].interface == "eth2"


@pytest.mark.parametrize("again", [False, True], ids=["removed", "made anew"])
async def test_a_network_that_is_removed_while_somebody_joins_is_not_found(
    networks: Networks, box: Callable[[], Box], again: bool
) -> None:
    for name in ("front", "back"):
        await networks.create(NetworkSpec(name))
    web = await box().attach(networks, name="web", front=HERE)
    joining = asyncio.create_task(networks.connect(web.id, web.netns, "back", HERE))
    await asyncio.sleep(0)  # it has found the network, and looks for the interfaces that there are
    removing = [asyncio.create_task(networks.remove("back"))]
    if again:
        removing.append(asyncio.create_task(networks.create(NetworkSpec("back"))))
    with pytest.raises(NotFound, match="network back not found"):
        await joining
    await asyncio.gather(*removing)
    assert ("back" in {network.network.name for network in networks.info()}) == again
    await networks.detach(web.id)


async def test_an_internal_network_has_no_outside(networks: Networks, box: Callable[[], Box]) -> None:
    secret = await networks.create(NetworkSpec("secret", internal=True))
    await networks.create(NetworkSpec("front"))
    one = await box().attach(networks, PortBinding(80), name="one", secret=HERE)
    two = await box().attach(networks, name="two", secret=HERE)
    both = await box().attach(networks, PortBinding(80), name="both", front=HERE, secret=HERE)
    for each in (two, both):
        each.serve(80)
    assert one.ports == [] and both.ports
    assert await ask(two.endpoint.ipv4, 80, one.netns) == one.endpoint.ipv4
    assert await ask(two.endpoint.ipv4, 80) == secret.pools[0].gateway  # the host itself is no outside
    assert await lookup(one, "two") == (0, [two.endpoint.ipv4])
    assert await lookup(one, "example.org") == (wire.SERVFAIL, [])
    with outside_world() as outside, Netlink.inside(one.netns) as inside:
        assert await ask(HOST_OUTSIDE, both.ports[0].host_port, outside) == OUTSIDE
        inside.do(links.add_route(ip_address(secret.pools[0].gateway)))  # a container that may, tries
        with pytest.raises(OSError):
            await ask(HOST_OUTSIDE, both.ports[0].host_port, one.netns, seconds=SHORT)


async def test_icc_and_routes_and_source_addresses(networks: Networks, box: Callable[[], Box]) -> None:
    await networks.create(NetworkSpec("apart", options=NetworkOptions(icc=False)))
    await networks.create(NetworkSpec("plain", options=NetworkOptions(gateway4="routed")))
    one = await box().attach(networks, name="one", apart=HERE)
    two = await box().attach(networks, PortBinding(80), name="two", apart=HERE)
    routed = await box().attach(networks, PortBinding(80), name="routed", plain=HERE)
    for each in (two, routed):
        each.serve(80)
        each.serve(81)
    with pytest.raises(OSError):
        await ask(two.endpoint.ipv4, 80, one.netns, seconds=SHORT)
    assert await ask(networks.gateway, two.ports[0].host_port, one.netns)
    assert routed.ports == []
    with outside_world() as outside, Netlink.inside(outside) as there:
        for network in ("apart", "plain"):
            there.do(links.add_route(ip_address(HOST_OUTSIDE), to=ip_network(networks.need(network).pools[0].subnet)))
        assert await ask(routed.endpoint.ipv4, 80, outside) == OUTSIDE
        for address, port in ((routed.endpoint.ipv4, 81), (two.endpoint.ipv4, 80)):
            with pytest.raises(OSError):
                await ask(address, port, outside, seconds=SHORT)
        with ExitStack() as stack:
            world = Box(stack)
            os.dup2(outside, world.netns)
            world.serve(7)
            assert await ask(OUTSIDE, 7, routed.netns) == routed.endpoint.ipv4
            assert await ask(OUTSIDE, 7, one.netns) == HOST_OUTSIDE


async def test_the_gateway_with_the_highest_priority(networks: Networks, box: Callable[[], Box]) -> None:
    for name in ("a", "b"):
        await networks.create(NetworkSpec(name))
    one = await box().attach(networks, a=HERE, b=EndpointSpec(gateway_priority=3))
    assert [end.interface for end in one.endpoints.values()] == ["eth0", "eth1"]
    with ExitStack() as stack, outside_world() as outside:
        world = Box(stack)
        os.dup2(outside, world.netns)
        world.serve(7)

        def local(netns: int) -> str:
            def connect() -> str:
                with socket.create_connection((OUTSIDE, 7), LONG) as connection:
                    return str(connection.getsockname()[0])

            return in_netns(netns, connect)

        assert await asyncio.to_thread(local, one.netns) == one.endpoints["b"].ipv4
        await networks.disconnect(one.id, one.netns, "b")
        assert await asyncio.to_thread(local, one.netns) == one.endpoints["a"].ipv4


async def test_routes_that_the_container_leads_itself(networks: Networks, box: Callable[[], Box]) -> None:
    """They stay, unless the network that they led by is left; and one that it broke keeps it from no other network."""
    for name in ("a", "b", "c"):
        await networks.create(NetworkSpec(name))
    one = await box().attach(networks, a=HERE)

    def ways() -> str:
        command = ["ip", "-4", "route", "show", "default"]
        return in_netns(one.netns, lambda: subprocess.run(command, capture_output=True, text=True)).stdout

    mine = str(ip_address(networks.need("a").pools[0].gateway) + 99)
    in_netns(one.netns, lambda: subprocess.run(["ip", "route", "replace", "default", "via", mine], check=True))
    await networks.connect(one.id, one.netns, "b", HERE)
    assert f"via {mine} " in ways()
    await networks.disconnect(one.id, one.netns, "b")
    assert f"via {mine} " in ways()
    await networks.connect(one.id, one.netns, "b", EndpointSpec(gateway_priority=1))
    assert f"via {networks.need('b').pools[0].gateway} " in ways()
    await networks.disconnect(one.id, one.netns, "b")
    assert f"via {networks.need('a').pools[0].gateway} " in ways()
    in_netns(one.netns, lambda: subprocess.run(["ip", "link", "set", "eth0", "down"], check=True))
    await networks.connect(one.id, one.netns, "c", HERE)
    await networks.disconnect(one.id, one.netns, "a")
    assert f"via {networks.need('c').pools[0].gateway} " in ways()


async def test_addresses(networks: Networks, box: Callable[[], Box]) -> None:
    def plan(free: IPv4Network) -> Pool:
        return Pool(str(free), gateway=str(free[6]), ip_range=f"{free[0]}/30", aux={"printer": str(free[1])})

    shop = await create_own(networks, "shop", 29, plan)
    at = [str(address) for address in ip_network(shop.pools[0].subnet)]
    assert shop.pools[0].gateway == at[6]
    one = await box().attach(networks, shop=EndpointSpec(ipv4=at[5], mac="02:00:00:00:00:07"))
    assert (one.endpoint.ipv4, one.endpoint.mac) == (at[5], "02:00:00:00:00:07")
    with pytest.raises(Forbidden, match=f"Address already in use: {re.escape(at[5])}$"):
        await box().attach(networks, shop=EndpointSpec(ipv4=at[5]))
    found = [(await box().attach(networks, shop=HERE)).endpoint.ipv4 for _ in range(2)]
    assert found == at[2:4]
    with pytest.raises(HostError, match="no available IPv4 addresses on this network's address pools: shop"):
        await box().attach(networks, shop=HERE)
    with pytest.raises(Forbidden, match="Pool overlaps"):
        await networks.create(NetworkSpec("other", pools=[Pool(shop.pools[0].subnet)]))
    with pytest.raises(Conflict, match="network with name shop already exists"):
        await networks.create(NetworkSpec("shop"))
    with pytest.raises(Forbidden, match=r'network shop has active endpoints \(name:"box"'):
        await networks.remove("shop")


async def test_more_containers_than_a_bridge_takes(networks: Networks, box: Callable[[], Box]) -> None:
    shop = await networks.create(NetworkSpec("shop", options=NetworkOptions(icc=True)))
    boxes = [await box().attach(networks, PortBinding(80), name=f"box{n}", shop=HERE) for n in range(5)]
    for each in boxes:
        each.serve(80)
    with Netlink() as netlink:
        masters = {netlink.link(each.endpoint.host_interface).master for each in boxes}  # type: ignore[union-attr]
    assert len(masters) == 3  # two for each bridge
    for caller, called in ((0, 4), (4, 0), (2, 4), (4, 2)):
        assert await ask(boxes[called].endpoint.ipv4, 80, boxes[caller].netns) == boxes[caller].endpoint.ipv4
    assert await ask("127.0.0.1", boxes[4].ports[0].host_port) == shop.pools[0].gateway
    for caller, called in product(range(5), repeat=2):
        port = boxes[called].ports[0].host_port
        assert await ask(networks.gateway, port, boxes[caller].netns) == shop.pools[0].gateway
    with ExitStack() as stack, outside_world() as outside:
        world = Box(stack)
        os.dup2(outside, world.netns)
        world.serve(7)
        assert await ask(OUTSIDE, 7, boxes[4].netns) == HOST_OUTSIDE
        assert await ask(HOST_OUTSIDE, boxes[4].ports[0].host_port, outside) == OUTSIDE
    await networks.reconcile()
    assert await ask(boxes[0].endpoint.ipv4, 80, boxes[4].netns) == boxes[4].endpoint.ipv4


async def test_icc_off_on_several_bridges(networks: Networks, box: Callable[[], Box]) -> None:
    shop = await networks.create(NetworkSpec("shop", options=NetworkOptions(icc=False)))
    boxes = [await box().attach(networks, name=f"box{n}", shop=HERE) for n in range(5)]
    for each in boxes:
        each.serve(80)
        assert await ask(each.endpoint.ipv4, 80) == shop.pools[0].gateway
    for caller, called in ((0, 1), (0, 4), (2, 4), (4, 0)):
        with pytest.raises(OSError):
            await ask(boxes[called].endpoint.ipv4, 80, boxes[caller].netns, seconds=SHORT)


async def test_ipv6(networks: Networks, box: Callable[[], Box]) -> None:
    """Names, ports and gateways of both families, and of one alone."""
    both = await networks.create(NetworkSpec("both", ipv6=True, pools=[Pool("fd00:76::/64")]))
    six = await networks.create(NetworkSpec("six", ipv4=False, ipv6=True, pools=[Pool("fd00:77::/64")]))
    if Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text().strip() != "1" and not os.environ.get("CORRAL_GUEST"):
        pytest.skip("the first container would turn on IPv6 forwarding on this machine")
    web = await box().attach(networks, PortBinding(80), name="web", both=HERE)
    one = await box().attach(networks, name="one", both=EndpointSpec(ipv6="fd00:76::77"))
    alone = await box().attach(networks, PortBinding(80), PortBinding(81, "udp"), name="alone", six=HERE)
    for each in (web, alone):
        each.serve(80)
    assert one.endpoint.ipv6.endswith("::77") and (alone.endpoint.ipv4, alone.endpoint.ipv6) == ("", "fd00:77::2")
    assert await lookup(one, "web", wire.AAAA) == (0, [web.endpoint.ipv6])
    assert await lookup(one, "web") == (0, [web.endpoint.ipv4])
    reverse = ".".join(reversed(ip_address(web.endpoint.ipv6).exploded.replace(":", ""))) + ".ip6.arpa"
    assert await lookup(one, reverse, wire.PTR) == (0, ["web.both"])
    assert await ask(web.endpoint.ipv6, 80, one.netns) == one.endpoint.ipv6
    gateway = next(pool.gateway for pool in both.pools if ":" in pool.gateway)
    assert await ask(gateway, web.ports[0].host_port) == gateway
    assert await ask(gateway, web.ports[0].host_port, one.netns) == gateway
    assert {port.host_ip for port in alone.ports} == {"::"}
    host_port = {port.port: port.host_port for port in alone.ports}
    assert await ask(six.pools[0].gateway, host_port[80]) == six.pools[0].gateway
    alone.serve(81, kind=socket.SOCK_DGRAM)
    assert await ask("::1", host_port[80]) == six.pools[0].gateway
    assert await ask("::1", host_port[81], kind=socket.SOCK_DGRAM) == six.pools[0].gateway
    with pytest.raises(OSError):
        await ask(alone.endpoint.ipv6, 80, one.netns, seconds=SHORT)
    endpoints, _ = await networks.connect(alone.id, alone.netns, "both", HERE)
    assert await ask(alone.endpoint.ipv6, 80) == six.pools[0].gateway
    assert await ask(endpoints["both"].ipv6, 80, one.netns) == one.endpoint.ipv6


async def test_ipv6_from_elsewhere_finds_a_container_that_never_said_anything(
    networks: Networks, box: Callable[[], Box]
) -> None:
    await networks.create(NetworkSpec("here", ipv6=True))
    await networks.create(NetworkSpec("there", ipv6=True, options=NetworkOptions(gateway6="routed")))
    if Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text().strip() != "1" and not os.environ.get("CORRAL_GUEST"):
        pytest.skip("the first container would turn on IPv6 forwarding on this machine")
    one = await box().attach(networks, name="one", here=HERE)
    silent = await box().attach(networks, PortBinding(80), name="silent", there=HERE)
    silent.serve(80)
    assert await ask(silent.endpoint.ipv6, 80, one.netns)  # the kernel had to ask where it is


async def test_link_local_addresses(networks: Networks, box: Callable[[], Box]) -> None:
    """An interface with IPv6 has one of its own; a gateway with one is led to through its interface."""
    await networks.create(NetworkSpec("both", ipv6=True))
    await networks.create(NetworkSpec("four"))
    await networks.create(NetworkSpec("near", ipv6=True, pools=[Pool("fe80:7::/64", "fe80:7::1")]))
    if Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text().strip() != "1" and not os.environ.get("CORRAL_GUEST"):
        pytest.skip("the first container would turn on IPv6 forwarding on this machine")
    one = await box().attach(networks, name="one", both=HERE, four=HERE, near=EndpointSpec(gateway_priority=1))
    inside = in_netns(one.netns, lambda: Path("/proc/thread-self/net/if_inet6").read_text().splitlines())
    local = {line.split()[-1] for line in inside if line.startswith("fe80000000000000")}
    names = {name: endpoint.interface for name, endpoint in one.endpoints.items()}
    assert local == {names["both"], names["near"]}
    conf = Path("/proc/sys/net/ipv6/conf")
    files = {name: conf / interface / "disable_ipv6" for name, interface in names.items()}
    disabled = in_netns(one.netns, lambda: {name: file.read_text().strip() for name, file in files.items()})
    assert disabled == {"both": "0", "four": "1", "near": "0"}  # nobody beside it gives it addresses
    bridges = [info.network.bridge for info in networks.info() if info.network.bridge]
    assert bridges and {(conf / bridge / "accept_ra").read_text().strip() for bridge in bridges} == {"0"}
    routes = in_netns(one.netns, lambda: Path("/proc/thread-self/net/ipv6_route").read_text().splitlines())
    gateways = {(line.split()[4], line.split()[-1]) for line in routes if line.startswith("0" * 32 + " 00 ")}
    assert ("fe800007" + "0" * 23 + "1", names["near"]) in gateways


async def test_ports_that_cannot_be_led_another_way_stay_where_they_are(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    await networks.create(NetworkSpec("four"))
    await networks.create(NetworkSpec("six", ipv6=True, options=NetworkOptions(gateway6="routed")))
    web = await box().attach(networks, PortBinding(80), name="web", four=HERE)
    web.serve(80)
    port = web.ports[0].host_port

    def taken(*_: object) -> Published:
        raise HostError("it was taken meanwhile")

    with monkeypatch.context() as patch, pytest.raises(HostError, match="it was taken meanwhile"):
        patch.setattr(Publisher, "open", taken)
        await networks.connect(web.id, web.netns, "six", EndpointSpec(gateway_priority=9))
    assert list(web.endpoints) == ["four"]
    assert await ask("127.0.0.1", port)
    with pytest.raises(HostError, match="already allocated"):
        await box().attach(networks, PortBinding(80, host_port=port), name="late", four=HERE)


async def test_the_rules_for_a_subnet_go_before_it_is_free(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another instance may take it at once: what its containers send each other would be masked by them."""
    made, seen = await networks.create(NetworkSpec("shop")), list[str]()

    def masked() -> str:
        with closing(Nft()) as nft:
            try:
                return nft.run(f"list set inet {NAMES.table} masked4")
            except HostError:  # there is no such table
                return ""

    def spied(name: str) -> None:
        usual: Callable[..., None] = getattr(Wires, name)

        def work(self: Wires, *given: str) -> None:
            seen.append(masked())
            usual(self, *given)

        monkeypatch.setattr(Wires, name, work)

    assert made.pools[0].subnet in masked()
    for name in ("remove", "tear_down"):
        spied(name)
    await networks.remove("shop")
    await networks.teardown()
    assert made.pools[0].subnet not in seen[0] and "masked4" in seen[0] and seen[1] == ""
