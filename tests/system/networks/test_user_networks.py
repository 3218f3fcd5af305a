"""Networks that somebody made, with real packets: who reaches whom, by which address and by which name."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from ipaddress import ip_address, ip_network
from itertools import product
from pathlib import Path

import pytest

from corral.errors import Conflict, Forbidden, HostError, NotFound
from corral.linux import links
from corral.linux.namespaces import in_netns
from corral.linux.netlink import Netlink
from corral.linux.netlink_watch import Deleted
from corral.linux.nftables import Nft
from corral.model.container import BoundPort, EndpointSpec, PortBinding
from corral.model.network import NetworkOptions, NetworkSpec, Pool
from corral.networks import InstanceNames, NetworkConfig, Networks, Resolving, Upstream
from corral.networks.dns import wire
from corral.networks.members import Member
from corral.networks.publish import Published, Publisher
from corral.networks.rules import plan_element
from corral.networks.seating import Seating
from corral.networks.wires import Wires
from tests.support.wait import PATIENCE
from tests.system.networks.box import (
    HOST_OUTSIDE,
    LONG,
    OUTSIDE,
    SHORT,
    Box,
    ask,
    has_table,
    hear_repairs,
    outside_world,
)

pytestmark = pytest.mark.root

NAMES = InstanceNames(f"{os.getpid() & 0xFFFF:04x}u")
HERE = EndpointSpec()


def left() -> list[str]:
    with Netlink() as netlink:
        found = netlink.links()
    ours = (NAMES.bridge, NAMES.user_bridge("")[:7])
    marked = [link.name for link in found if NAMES.network_of(link.alias) or link.name.startswith(ours)]
    return marked + [link.name for link in found if NAMES.veth_owner(link.name) or NAMES.is_further(link.name)]


@pytest.fixture
async def networks(tmp_path: Path) -> AsyncIterator[Networks]:
    made = Networks(
        names=NAMES,
        config=NetworkConfig(),
        state_dir=str(tmp_path),
        make_wires=lambda names: Wires(names, first=2, further=2),
    )
    await made.setup()
    yield made
    await made.teardown()
    await made.close()
    assert left() == []
    assert not has_table(NAMES.table)


@pytest.fixture
async def box() -> AsyncIterator[Callable[[], Box]]:
    with ExitStack() as stack:
        yield lambda: Box(stack)


def query(name: str, kind: int, *, tcp: bool = False, size: int = 0) -> tuple[int, bool, list[str]]:
    question = wire.ask(name, kind, id=7, size=size)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if tcp else socket.SOCK_DGRAM) as asking:
        asking.settimeout(LONG)
        asking.connect(("127.0.0.11", 53))
        asking.sendall(len(question).to_bytes(2, "big") + question if tcp else question)
        reply = asking.recv(4096)
    return wire.read_answer(reply[2:] if tcp else reply)


async def lookup(box: Box, name: str, kind: int = wire.A, *, tcp: bool = False) -> tuple[int, list[str]]:
    """What a program in the box is told: code and answers."""
    code, _, found = await asyncio.to_thread(lambda: in_netns(box.netns, lambda: query(name, kind, tcp=tcp)))
    return code, found


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
    pool = Pool("10.123.7.0/29", gateway="10.123.7.6", ip_range="10.123.7.0/30", aux={"printer": "10.123.7.1"})
    shop = await networks.create(NetworkSpec("shop", pools=[pool]))
    assert shop.pools[0].gateway == "10.123.7.6"
    one = await box().attach(networks, shop=EndpointSpec(ipv4="10.123.7.5", mac="02:00:00:00:00:07"))
    assert (one.endpoint.ipv4, one.endpoint.mac) == ("10.123.7.5", "02:00:00:00:00:07")
    with pytest.raises(Forbidden, match=r"Address already in use: 10\.123\.7\.5"):
        await box().attach(networks, shop=EndpointSpec(ipv4="10.123.7.5"))
    found = [(await box().attach(networks, shop=HERE)).endpoint.ipv4 for _ in range(2)]
    assert found == ["10.123.7.2", "10.123.7.3"]
    with pytest.raises(HostError, match="no available IPv4 addresses on this network's address pools: shop"):
        await box().attach(networks, shop=HERE)
    with pytest.raises(Forbidden, match="Pool overlaps"):
        await networks.create(NetworkSpec("other", pools=[Pool("10.123.7.0/24")]))
    with pytest.raises(Conflict, match="network with name shop already exists"):
        await networks.create(NetworkSpec("shop"))
    with pytest.raises(Forbidden, match=r'network shop has active endpoints \(name:"box"'):
        await networks.remove("shop")


async def test_names(networks: Networks, box: Callable[[], Box]) -> None:
    await networks.create(NetworkSpec("shop"))
    webs = [await box().attach(networks, name=f"web{n}", shop=EndpointSpec(aliases=["web"])) for n in range(2)]
    one = await box().attach(networks, name="one", shop=EndpointSpec(links=["web1:database"]))
    addresses = [web.endpoint.ipv4 for web in webs]
    first, second = await lookup(one, "web"), await lookup(one, "WEB.shop", tcp=True)
    assert first == (0, second[1][::-1]) and sorted(first[1]) == sorted(addresses)
    assert await lookup(one, "database") == (0, [addresses[1]])
    assert (await lookup(webs[0], "database"))[0] != 0
    assert await lookup(one, webs[0].id[:12]) == (0, [addresses[0]])
    assert await lookup(one, "web0", wire.AAAA) == (0, [])
    assert await lookup(one, "web0", 15) == (0, [])
    reverse = ".".join(reversed(addresses[0].split("."))) + ".in-addr.arpa"
    assert await lookup(one, reverse, wire.PTR) == (0, ["web0.shop"])
    networks.rename(webs[0].id, "shopfront")
    assert await lookup(one, "shopfront") == (0, [addresses[0]])
    await networks.detach(webs[0].id)
    assert await lookup(one, "web") == (0, [addresses[1]])


async def test_questions_are_passed_on(networks: Networks, box: Callable[[], Box]) -> None:
    await networks.create(NetworkSpec("shop"))
    one = box()
    inner = _name_server(in_netns(one.netns, _socket), "192.0.2.1", port=53)
    outer = _name_server(_socket(), "192.0.2.2")

    async def told(upstream: Upstream, name: str = "example.org", *, dotted: bool = False) -> tuple[int, list[str]]:
        await one.attach(networks, name="one", shop=HERE, resolving=Resolving(upstream, dotted=dotted))
        try:
            return await lookup(one, name)
        finally:
            await networks.disconnect(one.id, one.netns, "shop")

    with inner, outer:  # the inner one has port 53 of all the container's addresses, as name servers in containers do
        host = Upstream(("127.0.0.1",), port=outer.getsockname()[1])
        assert await told(host) == (0, ["192.0.2.2"])
        assert await told(host, "single") == (0, ["192.0.2.2"])
        assert await told(host, "single", dotted=True) == (0, [])
        assert await told(Upstream(("127.0.0.1",), inside=True)) == (0, ["192.0.2.1"])
        nobody = Upstream(("127.0.0.1", "127.0.0.2"), port=1)
        assert await told(nobody) == (wire.SERVFAIL, [])  # and said at once


def _socket() -> socket.socket:
    return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)


def _name_server(server: socket.socket, address: str, port: int = 0) -> socket.socket:
    """Tells everybody the same."""
    server.setblocking(False)
    server.bind(("0.0.0.0", port))
    record = wire.Record(wire.A, ip_address(address).packed)

    def tell() -> None:
        data, sender = server.recvfrom(4096)
        server.sendto(wire.answer(wire.parse_query(data), [record]), sender)

    asyncio.get_running_loop().add_reader(server, tell)
    return server


async def test_a_restarted_daemon_takes_names_and_networks_back(
    networks: Networks, box: Callable[[], Box], tmp_path: Path
) -> None:
    made = await networks.create(NetworkSpec("shop"))
    gone = await networks.create(NetworkSpec("gone"))
    web = await box().attach(networks, PortBinding(80), name="web", shop=HERE)
    one = await box().attach(networks, name="one", shop=HERE)
    web.serve(80)
    asking = in_netns(one.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    asking.settimeout(LONG)
    asking.connect(("127.0.0.11", 53))
    asking.send(wire.ask("web", wire.A))
    assert wire.read_answer(await asyncio.to_thread(asking.recv, 512)) == (0, False, [web.endpoint.ipv4])
    await networks.close()
    assert await ask(web.endpoint.ipv4, 80, one.netns) == one.endpoint.ipv4  # nobody is there, and it serves
    again = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
    await again.setup([made])
    for each, name in ((web, "web"), (one, "one")):
        await again.restore(each.id, each.endpoints, each.ports, name=name, netns=each.netns)
    removed = await again.sweep([web.id, one.id])
    assert removed == [gone.bridge]
    with asking:  # who holds on to a socket finds the new server behind it
        asking.send(wire.ask("web", wire.A))
        assert wire.read_answer(await asyncio.to_thread(asking.recv, 512)) == (0, False, [web.endpoint.ipv4])
    assert await ask("127.0.0.1", web.ports[0].host_port) == made.pools[0].gateway

    await again.teardown()
    await again.close()
    networks._thread = again._thread.__class__(1)  # the fixture tears down once more: what is gone is fine


async def test_what_was_deleted_while_there_was_no_daemon_is_made_again(
    networks: Networks, box: Callable[[], Box], tmp_path: Path
) -> None:
    made = await networks.create(NetworkSpec("shop"))
    web = await box().attach(networks, PortBinding(80), name="web", shop=HERE)
    one = await box().attach(networks, name="one", shop=HERE)
    web.serve(80)
    await networks.close()
    with Netlink() as netlink:
        netlink.do(links.delete_link(made.bridge))
    nft = Nft()
    nft.run(f"delete table inet {NAMES.table}")
    nft.close()
    again = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
    await again.setup([made])
    for each, name in ((web, "web"), (one, "one")):
        await again.restore(each.id, each.endpoints, each.ports, name=name, netns=each.netns)
    assert await ask(web.endpoint.ipv4, 80, one.netns) == one.endpoint.ipv4
    assert await ask("127.0.0.1", web.ports[0].host_port) == made.pools[0].gateway
    await again.teardown()
    await again.close()
    networks._thread = again._thread.__class__(1)  # the fixture tears down once more: what is gone is fine


async def test_a_change_that_a_killed_daemon_had_begun_is_ended(
    networks: Networks, box: Callable[[], Box], tmp_path: Path
) -> None:
    """Joining a network of which no record tells, and leaving one that the record still has."""
    shop, back = await networks.create(NetworkSpec("shop")), await networks.create(NetworkSpec("back"))
    joining = await box().attach(networks, name="joining", shop=HERE)
    leaving = await box().attach(networks, name="leaving", shop=HERE)
    staying = await box().attach(networks, name="staying", shop=HERE)
    recorded = {each.id: dict(each.endpoints) for each in (joining, leaving, staying)}
    more, _ = await networks.connect(joining.id, joining.netns, "back", EndpointSpec(gateway_priority=1))
    stray = more["back"].host_interface
    with Netlink() as netlink:
        netlink.do(links.delete_link(leaving.endpoints["shop"].host_interface))
    await networks.close()
    again = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
    await again.setup([shop, back])
    for each, left in ((joining, []), (leaving, ["shop"]), (staying, [])):
        assert await again.restore(each.id, recorded[each.id], [], name="box", netns=each.netns) == left
    assert await again.sweep([joining.id, leaving.id, staying.id]) == []
    with Netlink() as netlink:
        assert netlink.link(stray) is None
    with Netlink.inside(leaving.netns) as inside:
        assert not any(network.prefixlen == 0 for _, network in inside.routes())
    for each in (joining, staying):
        each.serve(80)
    for there, here in ((joining, staying), (staying, joining)):
        assert await ask(there.endpoint.ipv4, 80, here.netns) == here.endpoint.ipv4
        with Netlink.inside(here.netns) as inside:
            assert any(network.prefixlen == 0 for _, network in inside.routes()), "a way out"
    await again.teardown()
    await again.close()
    networks._thread = again._thread.__class__(1)  # the fixture tears down once more: what is gone is fine


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


async def test_a_cable_between_two_bridges_comes_back(networks: Networks, box: Callable[[], Box]) -> None:
    shop = await networks.create(NetworkSpec("shop"))
    boxes = [await box().attach(networks, name=f"box{n}", shop=HERE) for n in range(3)]
    boxes[2].serve(80)
    repaired = hear_repairs(networks)
    near, far = NAMES.span(shop.id, 1)
    with Netlink() as netlink:
        for damage in (links.set_link(near, up=False), links.set_link(far, up=False)):
            repaired.clear()
            netlink.do(damage)
            await asyncio.wait_for(repaired.wait(), 60 * PATIENCE)
            assert await ask(boxes[2].endpoint.ipv4, 80, boxes[0].netns) == boxes[0].endpoint.ipv4
    for each in boxes:
        await networks.detach(each.id)
    repaired.clear()
    await networks.remove("shop")
    with pytest.raises(TimeoutError):  # that is our own doing
        await asyncio.wait_for(repaired.wait(), 1)


async def test_icc_off_on_several_bridges(networks: Networks, box: Callable[[], Box]) -> None:
    shop = await networks.create(NetworkSpec("shop", options=NetworkOptions(icc=False)))
    boxes = [await box().attach(networks, name=f"box{n}", shop=HERE) for n in range(5)]
    for each in boxes:
        each.serve(80)
        assert await ask(each.endpoint.ipv4, 80) == shop.pools[0].gateway
    for caller, called in ((0, 1), (0, 4), (2, 4), (4, 0)):
        with pytest.raises(OSError):
            await ask(boxes[called].endpoint.ipv4, 80, boxes[caller].netns, seconds=SHORT)


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
        again = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
        await again.setup([shop, lan])
        assert await again.restore(one.id, recorded, [], name="one", netns=one.netns) == []
        with Netlink.inside(one.netns) as inside:
            assert sorted(link.name for link in inside.links()) == ["eth0", "lo", "mine"]
        await again.teardown()
        await again.close()
    networks._thread = again._thread.__class__(1)  # the fixture tears down once more: what is gone is fine


async def test_a_deleted_bridge_comes_back_with_its_containers(networks: Networks, box: Callable[[], Box]) -> None:
    shop = await networks.create(NetworkSpec("shop", options=NetworkOptions(bridge=f"crx{os.getpid()}")))
    web = await box().attach(networks, PortBinding(80), name="web", shop=HERE)
    web.serve(80)
    repaired = hear_repairs(networks)
    nft = Nft()
    with Netlink() as netlink:
        index = next(link.index for link in netlink.links() if link.name == shop.bridge)
        gateway, length = ip_address(shop.pools[0].gateway), ip_network(shop.pools[0].subnet).prefixlen
        for damage in (
            lambda: netlink.do(links.set_link(shop.bridge, up=False)),
            lambda: netlink.do(links.delete_address(index, gateway, length)),
            lambda: netlink.do(links.delete_link(shop.bridge)),
            lambda: netlink.do(links.set_master(web.endpoint.host_interface, 0)),
            lambda: netlink.do(links.set_link(web.endpoint.host_interface, up=False)),
            lambda: nft.run(f"delete table inet {NAMES.table}"),
            lambda: nft.run(f"flush chain inet {NAMES.table} depart"),
            lambda: nft.run(f"flush map inet {NAMES.table} any4"),
            lambda: nft.run(f"flush set inet {NAMES.table} bridges"),
        ):
            repaired.clear()
            damage()
            await asyncio.wait_for(repaired.wait(), 60 * PATIENCE)
            assert await ask("127.0.0.1", web.ports[0].host_port) == shop.pools[0].gateway
    nft.close()
    with pytest.raises(Conflict, match="interface lo is no bridge of ours"):
        await networks.create(NetworkSpec("x", options=NetworkOptions(bridge="lo")))
    with pytest.raises(Forbidden, match="networks have same bridge name"):
        await networks.create(NetworkSpec("y", options=NetworkOptions(bridge=shop.bridge)))


async def test_what_we_take_away_ourselves_is_no_damage(networks: Networks, box: Callable[[], Box]) -> None:
    told: list[tuple[str, bool]] = []
    repairs = networks._repairs
    assert repairs is not None
    heard, concerns = asyncio.Event(), repairs.concerns

    def note(event: Deleted) -> bool:
        told.append((event.kind, concerns(event)))
        if event.kind == "element":
            heard.set()
        return told[-1][1]

    repairs.concerns = note  # type: ignore[method-assign]
    await networks.create(NetworkSpec("shop"))
    web = await box().attach(networks, PortBinding(80), name="web", shop=HERE)
    await networks.detach(web.id)
    await networks.remove("shop")
    async with asyncio.timeout(60 * PATIENCE):
        await heard.wait()  # for the port's element is gone
    assert not [kind for kind, ours in told if ours and kind != "rule"] and not repairs.damage


async def test_a_network_that_cannot_be_made_keeps_nothing_else_down(
    networks: Networks, box: Callable[[], Box], tmp_path: Path
) -> None:
    shop = await networks.create(NetworkSpec("shop", options=NetworkOptions(bridge=f"cry{os.getpid()}")))
    fine = await networks.create(NetworkSpec("fine"))
    await networks.close()
    with Netlink() as netlink:  # somebody else has come to use the name
        netlink.do(links.delete_link(shop.bridge))
        netlink.do(links.add_bridge(shop.bridge, "02:42:00:00:00:09"))
        again = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
        await again.setup([shop, fine])
        with pytest.raises(HostError, match="network shop could not be made on this host"):
            await box().attach(again, shop=HERE)
        await box().attach(again, fine=HERE)
        netlink.do(links.delete_link(shop.bridge))
        await again.setup()  # it may be made now
        await box().attach(again, shop=HERE)
    await again.teardown()
    await again.close()
    networks._thread = again._thread.__class__(1)  # the fixture tears down once more: what is gone is fine


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
    pools = [Pool("10.211.0.0/24"), Pool("fe80:7::/64", "fe80:7::1")]
    await networks.create(NetworkSpec("near", ipv6=True, pools=pools))
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


async def test_a_port_never_leads_to_the_next_owner_of_an_address(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    await networks.create(NetworkSpec("shop", pools=[Pool("10.241.9.0/30")]))  # it has one address to give
    web, late = await box().attach(networks, PortBinding(80), name="web", shop=HERE), box()
    seen: list[str] = []

    async def lead(self: Seating, member: Member) -> None:
        with pytest.raises(HostError, match="no available IPv4 addresses"):
            await late.attach(networks, name="late", shop=HERE)
        seen.append(member.name)
        await led(self, member)

    led = Seating.lead_ports
    monkeypatch.setattr(Seating, "lead_ports", lead)
    await networks.disconnect(web.id, web.netns, "shop")
    assert seen == ["web"]
    monkeypatch.undo()
    await late.attach(networks, name="late", shop=HERE)
    assert late.endpoint.ipv4 == "10.241.9.2"


async def test_what_a_killed_daemon_did_not_note(networks: Networks, box: Callable[[], Box], tmp_path: Path) -> None:
    """A container had left, and another had its address, when the daemon was killed before it noted the former."""
    made = await networks.create(NetworkSpec("shop", pools=[Pool("10.241.9.0/30")]))
    first = await box().attach(networks, name="first", shop=HERE)
    noted = dict(first.endpoints)
    await networks.disconnect(first.id, first.netns, "shop")
    second = await box().attach(networks, name="second", shop=HERE)
    assert second.endpoint.ipv4 == noted["shop"].ipv4
    await networks.close()
    again = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
    await again.setup([made])
    assert await again.restore(first.id, noted, [], name="first", netns=first.netns) == ["shop"]
    assert await again.restore(second.id, second.endpoints, [], name="second", netns=second.netns) == []
    await again.detach(first.id)
    with pytest.raises(HostError, match="no available IPv4 addresses"):
        await box().attach(again, name="third", shop=HERE)
    await again.teardown()
    await again.close()
    networks._thread = again._thread.__class__(1)  # the fixture tears down once more: what is gone is fine


async def test_a_port_that_a_killed_daemon_was_leading_elsewhere(
    networks: Networks, box: Callable[[], Box], tmp_path: Path
) -> None:
    made = await networks.create(NetworkSpec("shop"))
    web = await box().attach(networks, PortBinding(80), name="web", shop=HERE)
    web.serve(80)
    port = web.ports[0].host_port
    member = networks._members[web.id]
    before = list(member.published.elements)
    after = plan_element(BoundPort(80, "tcp", "0.0.0.0", port), "10.241.9.9", "")
    assert after is not None
    await networks._in_thread(lambda: networks._need_firewall().change(before, [after]))
    await networks.close()
    again = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
    await again.setup([made])
    await again.restore(web.id, web.endpoints, web.ports, name="web", netns=web.netns)
    assert await again.sweep([web.id]) == []
    assert await ask("127.0.0.1", port) == made.pools[0].gateway
    assert await lookup(web, "web") == (0, [web.endpoint.ipv4])
    await again.teardown()
    await again.close()
    networks._thread = again._thread.__class__(1)  # the fixture tears down once more: what is gone is fine
