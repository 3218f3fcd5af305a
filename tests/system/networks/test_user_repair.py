"""Networks that somebody made come back: after the daemon was killed, and after somebody deleted parts of them."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

import pytest

from corral.errors import Conflict, Forbidden, HostError
from corral.linux import links
from corral.linux.namespaces import in_netns
from corral.linux.netlink import Netlink
from corral.linux.netlink_watch import Deleted
from corral.linux.nftables import Nft
from corral.model.container import BoundPort, EndpointSpec, PortBinding
from corral.model.network import NetworkOptions, NetworkSpec, Pool
from corral.networks import Networks
from corral.networks.dns import wire
from corral.networks.members import Member
from corral.networks.rules import plan_element
from corral.networks.seating import Seating
from tests.support.wait import PATIENCE
from tests.system.networks.box import LONG, Box, ask, hear_repairs, restarted
from tests.system.networks.user_networks import HERE, NAMES, create_own, lookup

pytestmark = pytest.mark.root


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
    async with restarted(networks, tmp_path, made) as again:
        for each, name in ((web, "web"), (one, "one")):
            await again.restore(each.id, each.endpoints, each.ports, name=name, netns=each.netns)
        removed = await again.sweep([web.id, one.id])
        assert removed == [gone.bridge]
        with asking:  # who holds on to a socket finds the new server behind it
            asking.send(wire.ask("web", wire.A))
            assert wire.read_answer(await asyncio.to_thread(asking.recv, 512)) == (0, False, [web.endpoint.ipv4])
        assert await ask("127.0.0.1", web.ports[0].host_port) == made.pools[0].gateway


async def test_what_was_deleted_while_there_was_no_daemon_is_made_again(
    networks: Networks, box: Callable[[], Box], tmp_path: Path
) -> None:
    pool = Pool(f"10.241.{os.getpid() % 256}.0/24")  # one of its choice another may choose while its bridge is gone
    made = await networks.create(NetworkSpec("shop", pools=[pool]))
    web = await box().attach(networks, PortBinding(80), name="web", shop=HERE)
    one = await box().attach(networks, name="one", shop=HERE)
    web.serve(80)
    await networks.close()
    with Netlink() as netlink:
        netlink.do(links.delete_link(made.bridge))
    nft = Nft()
    nft.run(f"delete table inet {NAMES.table}")
    nft.close()
    async with restarted(networks, tmp_path, made) as again:
        for each, name in ((web, "web"), (one, "one")):
            await again.restore(each.id, each.endpoints, each.ports, name=name, netns=each.netns)
        assert await ask(web.endpoint.ipv4, 80, one.netns) == one.endpoint.ipv4
        assert await ask("127.0.0.1", web.ports[0].host_port) == made.pools[0].gateway


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
    async with restarted(networks, tmp_path, shop, back) as again:
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
        async with restarted(networks, tmp_path, shop, fine) as again:
            with pytest.raises(HostError, match="network shop could not be made on this host"):
                await box().attach(again, shop=HERE)
            await box().attach(again, fine=HERE)
            netlink.do(links.delete_link(shop.bridge))
            await again.setup()  # it may be made now
            await box().attach(again, shop=HERE)


async def test_a_port_never_leads_to_the_next_owner_of_an_address(
    networks: Networks, box: Callable[[], Box], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = await create_own(networks, "shop", 30)  # it has one address to give
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
    assert late.endpoint.ipv4 == str(ip_network(shop.pools[0].subnet)[2])


async def test_what_a_killed_daemon_did_not_note(networks: Networks, box: Callable[[], Box], tmp_path: Path) -> None:
    """A container had left, and another had its address, when the daemon was killed before it noted the former."""
    made = await create_own(networks, "shop", 30)
    first = await box().attach(networks, name="first", shop=HERE)
    noted = dict(first.endpoints)
    await networks.disconnect(first.id, first.netns, "shop")
    second = await box().attach(networks, name="second", shop=HERE)
    assert second.endpoint.ipv4 == noted["shop"].ipv4
    await networks.close()
    async with restarted(networks, tmp_path, made) as again:
        assert await again.restore(first.id, noted, [], name="first", netns=first.netns) == ["shop"]
        assert await again.restore(second.id, second.endpoints, [], name="second", netns=second.netns) == []
        await again.detach(first.id)
        with pytest.raises(HostError, match="no available IPv4 addresses"):
            await box().attach(again, name="third", shop=HERE)


async def test_a_port_that_a_killed_daemon_was_leading_elsewhere(
    networks: Networks, box: Callable[[], Box], tmp_path: Path
) -> None:
    made = await networks.create(NetworkSpec("shop"))
    web = await box().attach(networks, PortBinding(80), name="web", shop=HERE)
    web.serve(80)
    port = web.ports[0].host_port
    member = networks._members[web.id]
    before = list(member.published.elements)
    after = plan_element(BoundPort(80, "tcp", "0.0.0.0", port), str(ip_network(made.pools[0].subnet)[9]), "")
    assert after is not None
    await networks._in_thread(lambda: networks._need_firewall().change(before, [after]))
    await networks.close()
    async with restarted(networks, tmp_path, made) as again:
        await again.restore(web.id, web.endpoints, web.ports, name="web", netns=web.netns)
        assert await again.sweep([web.id]) == []
        assert await ask("127.0.0.1", port) == made.pools[0].gateway
        assert await lookup(web, "web") == (0, [web.endpoint.ipv4])


@pytest.mark.parametrize("ipv6", [False, True])
async def test_what_went_with_an_interface_that_was_set_down_inside(
    networks: Networks, box: Callable[[], Box], ipv6: bool
) -> None:
    """Of a namespace that is ours inside, too; a container may lead its routes as it likes."""
    forwarding = Path("/proc/sys/net/ipv6/conf/all/forwarding").read_text().strip()
    if ipv6 and forwarding != "1" and not os.environ.get("CORRAL_GUEST"):
        pytest.skip("the first container would turn on IPv6 forwarding on this machine")
    await networks.create(NetworkSpec("shop", ipv6=ipv6))
    node = await box().attach(networks, shop=HERE)

    def defaults() -> set[IPv4Address | IPv6Address | None]:
        return {gateway for network, (gateway, _) in inside.ways().items() if network.prefixlen == 0}

    with Netlink.inside(node.netns) as inside:
        assert await networks.mend(node.id, node.netns) is False
        before = defaults()
        assert len(before) == 1 + ipv6
        inside.do(links.set_link("eth0", up=False))
        assert await networks.mend(node.id, node.netns) is False  # who set it down may want it so
        inside.do(links.set_link("eth0", up=True))
        assert not defaults()
        assert await networks.mend(node.id, node.netns) is True
        assert defaults() == before
        wanted = {ip_address(text) for text in (node.endpoint.ipv4, node.endpoint.ipv6) if text}
        assert wanted <= {address for _, address, _ in inside.addresses()}
        assert await networks.mend(node.id, node.netns) is False
