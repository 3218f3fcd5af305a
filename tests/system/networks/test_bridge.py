"""The default bridge with real packets: containers are network namespaces here, and so is the world outside."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from corral.errors import HostError, NotFound
from corral.linux import links
from corral.linux.namespaces import in_netns, new_netns
from corral.linux.netlink import Netlink
from corral.linux.nftables import Nft
from corral.model.container import NetworkSpec, PortBinding
from corral.networks import InstanceNames, NetworkConfig, Networks
from tests.support.ports import free_port
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
    restarted,
    take_down,
)

pytestmark = pytest.mark.root

NAMES = InstanceNames(f"{os.getpid() & 0xFFFF:04x}")
SPEC = NetworkSpec()
DOCUMENTATION = Path(__file__).resolve().parents[3] / "docs/networks.md"


@pytest.fixture
async def networks(tmp_path: Path) -> AsyncIterator[Networks]:
    made = Networks(names=NAMES, config=NetworkConfig(), state_dir=str(tmp_path))
    await made.setup()
    yield made
    await take_down(made)
    with Netlink() as netlink:
        left = [link.name for link in netlink.links() if link.name == NAMES.bridge or NAMES.veth_owner(link.name)]
    assert left == []
    assert not has_table(NAMES.table)


async def test_containers_reach_each_other_and_the_host(networks: Networks, box: Callable[[], Box]) -> None:
    one, two = await box().attach(networks), await box().attach(networks)
    two.serve(80)
    assert await ask(two.endpoint.ipv4, 80, one.netns) == one.endpoint.ipv4
    assert await ask(two.endpoint.ipv4, 80) == networks.gateway
    assert one.endpoint.mac == "02:42:" + bytes(map(int, one.endpoint.ipv4.split("."))).hex(":")
    assert ip_address(one.endpoint.ipv4) in ip_network(networks.info()[0].network.pools[0].subnet)
    with Netlink.inside(one.netns) as inside:
        assert not [a for _, a, _ in inside.addresses() if a.version == 6 and not a.is_loopback]
        eth = inside.link("eth0")
        assert eth is not None and eth.mac == one.endpoint.mac
        before, seen = inside.stats(eth.index), (await networks.stats(one.id))["eth0"]
        after = inside.stats(eth.index)  # the kernel asks for its neighbours again now and then
    assert before is not None and after is not None
    assert seen.tx_packets >= 3 and before.rx_bytes <= seen.rx_bytes <= after.rx_bytes
    assert await networks.stats("nobody") == {}


async def test_a_published_port_answers_from_everywhere(networks: Networks, box: Callable[[], Box]) -> None:
    web = await box().attach(networks, PortBinding(80))
    web.serve(80)
    other = await box().attach(networks)
    port = web.ports[0].host_port
    assert {p.host_ip for p in web.ports} == {"0.0.0.0", "::"}
    assert len({p.host_port for p in web.ports}) == 1
    with outside_world() as outside:
        # From outside the caller's own address is seen; from the host's loopback it cannot be.
        assert await ask(HOST_OUTSIDE, port, outside) == OUTSIDE
        assert await ask(HOST_OUTSIDE, port) == HOST_OUTSIDE
        assert await ask("127.0.0.1", port) == networks.gateway
        assert await ask("127.0.0.7", port) == networks.gateway
        assert await ask("::1", port) == networks.gateway
        assert await ask(HOST_OUTSIDE, port, other.netns) == networks.gateway
        assert await ask(networks.gateway, port, other.netns) == networks.gateway
        assert await ask(HOST_OUTSIDE, port, web.netns) == networks.gateway
    await networks.detach(web.id)
    await networks.detach(web.id)
    with pytest.raises(OSError):
        await ask("127.0.0.1", port, seconds=SHORT)
    with socket.create_server(("0.0.0.0", port)):
        pass


async def test_a_rule_of_ones_own_as_the_documentation_has_it(networks: Networks, box: Callable[[], Box]) -> None:
    web = await box().attach(networks, PortBinding(80))
    web.serve(80)
    port, table = web.ports[0].host_port, f"inet mine{NAMES.tag}"
    (rules,) = re.findall(r"^```\n(table inet mine .*?^)```", DOCUMENTATION.read_text(), re.DOTALL | re.MULTILINE)
    for word, here in (("inet mine", table), ("corral0", NAMES.bridge), (" 8080 ", f" {port} ")):
        assert word in rules
        rules = rules.replace(word, here)
    nft = Nft()
    with outside_world() as outside:
        assert await ask(HOST_OUTSIDE, port, outside) == OUTSIDE
        nft.run(rules)
        try:
            with pytest.raises(TimeoutError):
                await ask(HOST_OUTSIDE, port, outside, seconds=SHORT)
            assert await ask("127.0.0.1", port) == networks.gateway
        finally:
            nft.run(f"delete table {table}")
        assert await ask(HOST_OUTSIDE, port, outside) == OUTSIDE
    nft.close()


async def test_containers_reach_out_but_are_not_reached(networks: Networks, box: Callable[[], Box]) -> None:
    web = await box().attach(networks)
    web.serve(80)
    with ExitStack() as stack, outside_world() as outside:
        world = Box(stack)
        os.dup2(outside, world.netns)
        world.serve(7)
        assert await ask(OUTSIDE, 7, web.netns) == HOST_OUTSIDE
        with Netlink.inside(outside) as there:
            subnet = ip_network(networks.info()[0].network.pools[0].subnet)
            there.do(links.add_route(ip_address(HOST_OUTSIDE), to=subnet))
        with pytest.raises(TimeoutError):
            await ask(web.endpoint.ipv4, 80, outside, seconds=SHORT)


async def test_containers_cannot_reach_the_hosts_loopback(networks: Networks, box: Callable[[], Box]) -> None:
    web = await box().attach(networks)
    with socket.create_server(("127.0.0.1", 0)) as server, Netlink.inside(web.netns) as inside:
        # A container that may change its routes sends packets for 127.0.0.1 to the bridge.
        def misdirect() -> None:
            Path("/proc/sys/net/ipv4/conf/eth0/route_localnet").write_text("1")

        in_netns(web.netns, misdirect)
        lo = inside.link("lo")
        assert lo is not None
        inside.do(links.delete_address(lo.index, ip_address("127.0.0.1"), 8))
        inside.do(links.add_route(ip_address(networks.gateway), to=ip_network("127.0.0.0/8")))
        with pytest.raises(OSError):
            await ask("127.0.0.1", server.getsockname()[1], web.netns, seconds=SHORT)


async def test_udp(networks: Networks, box: Callable[[], Box]) -> None:
    dns = await box().attach(networks, PortBinding(53, "udp"), PortBinding(5353, "udp", host_ip="127.0.0.1"))
    dns.serve(53, socket.SOCK_DGRAM)
    dns.serve(5353, socket.SOCK_DGRAM)
    by_port = {p.port: p.host_port for p in dns.ports}
    assert await ask("127.0.0.1", by_port[53], kind=socket.SOCK_DGRAM) == networks.gateway
    assert await ask("::1", by_port[53], kind=socket.SOCK_DGRAM) == networks.gateway
    assert await ask("127.0.0.1", by_port[5353], kind=socket.SOCK_DGRAM) == networks.gateway
    with outside_world() as outside:
        assert await ask(HOST_OUTSIDE, by_port[53], outside, socket.SOCK_DGRAM) == OUTSIDE
        with pytest.raises(OSError):
            await ask(HOST_OUTSIDE, by_port[5353], outside, socket.SOCK_DGRAM, seconds=SHORT)


async def test_a_taken_port_is_an_error(networks: Networks, box: Callable[[], Box]) -> None:
    first = await box().attach(networks, PortBinding(80))
    port = first.ports[0].host_port
    with pytest.raises(HostError) as caught:
        await box().attach(networks, PortBinding(81), PortBinding(80, host_port=port), name="web")
    expected = (
        r"^failed to set up container networking: driver failed programming external connectivity on endpoint web "
    )
    expected += r"\([0-9a-f]{64}\): "
    assert caught.match(
        expected + rf"Bind for 0.0.0.0:{port} failed: port is already allocated \(container box has it\)$"
    )
    with pytest.raises(HostError, match="port is already allocated"):
        await box().attach(networks, PortBinding(80, host_ip="127.0.0.1", host_port=port))
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        with pytest.raises(HostError, match=rf"failed to bind host port for 0.0.0.0:{number}:.*:80/tcp: address alr"):
            await box().attach(networks, PortBinding(80, host_port=number))
    with pytest.raises(HostError, match="cannot assign requested address"):
        await box().attach(networks, PortBinding(80, host_ip="203.0.113.9", host_port=80))
    # The same number for another protocol, and the next of a range, are free.
    more = await box().attach(
        networks, PortBinding(80, "udp", host_port=port), PortBinding(80, host_port=port, host_port_end=port + 5)
    )
    assert more.ports[0].host_port == port < more.ports[-1].host_port
    assert len(networks.info()[0].endpoints) == 2


async def test_other_networks_are_not_found(networks: Networks, box: Callable[[], Box]) -> None:
    made = box()
    with pytest.raises(NotFound, match="network blue not found"):
        await networks.attach(made.id, made.netns, NetworkSpec(mode="blue"), ports=[], hostname="")


async def test_what_others_delete_is_made_again(networks: Networks, box: Callable[[], Box]) -> None:
    web = await box().attach(networks, PortBinding(80))
    web.serve(80)
    port = web.ports[0].host_port
    repaired = hear_repairs(networks)
    nft = Nft()
    for damage in ("delete table inet", "bridge", "flush table inet", "flush chain inet", "bridge"):
        repaired.clear()
        if damage.endswith("inet"):
            nft.run(f"{damage} {NAMES.table}" + (" publish" if "chain" in damage else ""))
        else:
            with Netlink() as netlink:
                netlink.do(links.delete_link(NAMES.bridge))
        await asyncio.wait_for(repaired.wait(), 60 * PATIENCE)
        assert await ask("127.0.0.1", port) == networks.gateway
    repaired.clear()
    with pytest.raises(TimeoutError):  # its own rules, which each repair makes anew, are no damage
        await asyncio.wait_for(repaired.wait(), 1)
    nft.close()


async def test_a_restarted_daemon(networks: Networks, box: Callable[[], Box], tmp_path: Path) -> None:
    web = await box().attach(networks, PortBinding(80))
    web.serve(80)
    gone = await box().attach(networks, PortBinding(80))
    before = networks.info()[0].network.pools[0].subnet
    await networks.close()
    assert await ask("127.0.0.1", web.ports[0].host_port) == networks.gateway  # nobody is there, and it serves
    async with restarted(networks, tmp_path) as again:
        await again.restore(web.id, {"bridge": web.endpoint}, web.ports)
        assert again.info()[0].network.pools[0].subnet == before
        assert again.info()[0].network.created == networks.info()[0].network.created
        removed = await again.sweep({web.id, gone.id})
        assert gone.endpoint.host_interface in removed
        assert f"any4 tcp . {gone.ports[0].host_port}" in removed
        assert len(removed) == 2
        assert await again.sweep([web.id]) == []
        assert await ask("127.0.0.1", web.ports[0].host_port) == networks.gateway
        with pytest.raises(HostError, match="already allocated"):
            await box().attach(again, PortBinding(80, host_port=web.ports[0].host_port))
        other = await box().attach(again)
        assert other.endpoint.ipv4 != web.endpoint.ipv4


async def test_restarting_a_container_at_once(networks: Networks, box: Callable[[], Box]) -> None:
    web = await box().attach(networks)
    first = web.endpoint.host_interface
    await networks.detach(web.id)
    netns = new_netns()
    try:
        endpoints, _ = await networks.attach(web.id, netns, SPEC, ports=[], hostname="")
        assert endpoints["bridge"].host_interface != first
        assert await networks.sweep([web.id]) == [first]
    finally:
        os.close(netns)


async def test_two_instances_do_not_share_a_subnet(networks: Networks, tmp_path: Path) -> None:
    other = Networks(names=InstanceNames(f"{NAMES.tag}f"), config=NetworkConfig(), state_dir=str(tmp_path / "b"))
    await other.setup()
    try:
        await other.setup()
        subnets = [ip_network(each.info()[0].network.pools[0].subnet) for each in (other, networks)]
        assert not subnets[0].overlaps(subnets[1])
    finally:
        await other.teardown()
        await other.close()


async def test_without_direct_traffic_between_containers(tmp_path: Path, box: Callable[[], Box]) -> None:
    apart = Networks(names=InstanceNames(f"{NAMES.tag}e"), config=NetworkConfig(icc=False), state_dir=str(tmp_path))
    await apart.setup()
    try:
        one, two = await box().attach(apart), await box().attach(apart, PortBinding(80))
        two.serve(80)
        with pytest.raises(OSError):
            await ask(two.endpoint.ipv4, 80, one.netns, seconds=SHORT)
        assert await ask(apart.gateway, two.ports[0].host_port, one.netns) == apart.gateway
    finally:
        await apart.teardown()
        await apart.close()


async def test_a_udp_sender_that_never_pauses_finds_the_next_container(
    networks: Networks, box: Callable[[], Box]
) -> None:
    one, two = box(), box()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.settimeout(LONG * PATIENCE)
        for container in (one, two):
            port = one.ports[0].host_port if container is two else 0
            await container.attach(networks, PortBinding(53, "udp", host_port=port))
            container.serve(53, socket.SOCK_DGRAM, mark=container.id)
            sender.sendto(b"?", ("127.0.0.1", container.ports[0].host_port))
            assert await asyncio.to_thread(sender.recv, 100) == f"{container.id}{networks.gateway}".encode()
            await networks.detach(container.id)


async def test_damage_that_is_found_while_attaching(networks: Networks, box: Callable[[], Box]) -> None:
    await networks._stop_repairs()
    nft = Nft()
    nft.run(f"delete table inet {NAMES.table}")
    nft.close()
    web = await box().attach(networks, PortBinding(80))
    web.serve(80)
    assert await ask("127.0.0.1", web.ports[0].host_port) == networks.gateway
    with Netlink() as netlink:
        netlink.do(links.delete_link(NAMES.bridge))
    other = await box().attach(networks)
    assert await ask(web.endpoint.ipv4, 80, other.netns) == other.endpoint.ipv4


async def test_a_failed_attach_leaves_nothing(networks: Networks, box: Callable[[], Box]) -> None:
    made, port = box(), free_port()
    with Netlink.inside(made.netns) as inside:
        inside.do(links.add_bridge("eth0", "02:42:00:00:00:09"))  # the name that is wanted is taken
    with pytest.raises(HostError):
        await made.attach(networks, PortBinding(80, host_port=port))
    assert networks.info()[0].endpoints == {}
    with socket.create_server(("0.0.0.0", port)):
        assert await networks.sweep([]) == []


async def test_ipv6(tmp_path: Path, box: Callable[[], Box]) -> None:
    forwarding = Path("/proc/sys/net/ipv6/conf/all/forwarding")
    if os.environ.get("CORRAL_GUEST"):  # a machine of our own, that may be changed
        forwarding.write_text("1")
    names = InstanceNames(f"{NAMES.tag}6")
    both = Networks(names=names, config=NetworkConfig(ipv6=True), state_dir=str(tmp_path))
    try:
        await both.setup()
        if forwarding.read_text().strip() != "1":
            pytest.skip("the first container would turn on IPv6 forwarding on this machine")
        one, two = await box().attach(both, PortBinding(80)), await box().attach(both)
        one.serve(80)
        port, gateway6 = one.ports[0].host_port, both.info()[0].network.pools[1].gateway
        assert await ask(one.endpoint.ipv6, 80) == gateway6
        assert await ask(one.endpoint.ipv6, 80, two.netns) == two.endpoint.ipv6
        assert await ask(gateway6, port) == gateway6
        assert await ask(gateway6, port, two.netns) == gateway6
        assert await ask(gateway6, port, one.netns) == gateway6
        assert await ask("::1", port) == both.gateway
        await both.detach(one.id)
        assert await both.sweep([two.id]) == [one.endpoint.host_interface]
    finally:
        await both.teardown()
        await both.close()
