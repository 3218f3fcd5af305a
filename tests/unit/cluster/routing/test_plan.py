"""Which way leads to another node's pods: straight, or through the tunnel."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from corral.cluster.routing.plan import Changes, Far, Routes, plan_changes, plan_routes
from corral.cluster.routing.tunnel import Peer, end_address, end_mac, plan_tunnel, plan_vni

ADDRESSES = st.integers(0x0A410000, 0x0A4100FF).map(IPv4Address)


def node(name: str, subnets: str, *addresses: str) -> Any:
    status = {"addresses": [{"type": "InternalIP", "address": one} for one in addresses]}
    return {"metadata": {"name": name}, "spec": {"podCIDRs": subnets.split(",")}, "status": status}


def test_nodes_that_say_nothing_of_themselves_have_no_routes() -> None:
    nodes = [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}, "spec": {"podCIDRs": ["10.244.9.0/24"]}}]
    assert plan_routes(nodes, "c", [], []) == ({}, {}, [])


def test_a_network_that_only_this_machine_is_on_by_its_word_is_no_way() -> None:
    """The other would not answer through it: it knows this node by another address."""
    links = [ip_network("10.222.8.0/24"), ip_network("192.0.2.0/24")]
    found = plan_routes([node("b", "10.244.1.0/24", "10.222.8.2")], "a", [ip_address("192.0.2.7")], links)
    subnet = ip_network("10.244.1.0/24")
    assert found == Routes({}, {subnet: Far(ip_address("10.222.8.2"), subnet)}, [])


def test_what_neither_way_leads_to() -> None:
    nodes = [node("b", "10.244.1.0/24", "2001:db8::7"), node("c", "10.244.2.0/24", "127.0.0.1")]
    found = plan_routes(nodes, "a", [ip_address("192.0.2.7")], [ip_network("192.0.2.0/24")])
    assert found == Routes({}, {}, [("b", "2001:db8::7"), ("c", "127.0.0.1")])


def test_a_node_that_is_written_by_hand_costs_the_others_no_route() -> None:
    """The API takes a subnet with bits beyond its length, and any text as an address."""
    odd, nameless = node("b", "10.244.1.9/24", "10.65.0.3"), node("c", "10.244.2.0/24", "box-c")
    found = plan_routes([nameless, odd], "a", [ip_address("10.65.0.1")], [ip_network("10.65.0.0/16")])
    assert found == Routes({ip_network("10.244.1.0/24"): ip_address("10.65.0.3")}, {}, [])


def test_each_family_goes_its_own_way() -> None:
    """Over a network that both are on where it has that family, else through the tunnel, which takes either."""
    six = ip_network("fd00:10:244:1::/64")
    nodes = [node("b", f"10.244.1.0/24,{six}", "10.65.0.3"), node("c", f"10.244.2.0/24,{six}", "10.65.0.4", "fd01::4")]
    links = [ip_network("10.65.0.0/16"), ip_network("fd01::/64")]
    four = {ip_network("10.244.1.0/24"): ip_address("10.65.0.3")}
    mine = [ip_address("10.65.0.1"), ip_address("fd01::1")]
    found = plan_routes(nodes[:1], "a", mine, links)
    assert found == Routes(four, {six: Far(ip_address("10.65.0.3"), ip_network("10.244.1.0/24"))}, [])
    assert plan_routes(nodes[1:], "a", mine, links).wanted[six] == ip_address("fd01::4")


def test_nodes_with_ipv6_alone_meet_in_a_tunnel_of_ipv6() -> None:
    six, far = ip_network("fd00:10:244:1::/64"), ip_address("2001:db8:9::2")
    mine = [ip_address("2001:db8:8::1")]
    found = plan_routes([node("b", str(six), str(far))], "a", mine, [ip_network("2001:db8:8::/64")])
    assert found == Routes({}, {six: Far(far, six)}, [])
    tunnel = plan_tunnel(found.tunnelled, [ip_network("fd00:10:244::/64")], mine, [(mine[0], 1500)])
    assert tunnel is not None and (tunnel.local, tunnel.mtu) == (mine[0], 1430)
    assert tunnel.peers == (Peer(six, end_address(six, six), end_mac(six), far),)


@given(st.lists(st.integers(0, 255), min_size=2, max_size=2, unique=True), st.booleans())
def test_ends_differ(numbers: list[int], six: bool) -> None:
    one, other = (ip_network(f"fd00:10:244:{n:x}::/64" if six else f"10.244.{n}.0/24") for n in numbers)
    assert end_mac(one) != end_mac(other) and end_address(one, one) != end_address(other, other)


@given(ADDRESSES, ADDRESSES, st.integers(20, 30))
def test_both_nodes_find_the_same_way(one: IPv4Address, other: IPv4Address, prefix: int) -> None:
    nodes = [node("a", "10.244.0.0/24", str(one)), node("b", "10.244.1.0/24", str(other))]
    on = [ip_network((str(each), prefix), strict=False) for each in (one, other)]
    there = plan_routes(nodes, "a", [one], [on[0]])
    back = plan_routes(nodes, "b", [other], [on[1]])
    assert bool(there.wanted) == bool(back.wanted) and bool(there.tunnelled) == bool(back.tunnelled)
    assert bool(there.wanted) != bool(there.tunnelled)
    assert plan_routes(nodes, "a", [one], [on[0], ip_network("172.16.0.0/12")]) == there


def test_an_end_of_the_tunnel() -> None:
    subnet = IPv4Network("10.244.1.0/24")
    far = {subnet: Far(ip_address("198.51.100.9"), subnet)}
    own, address = [ip_network("10.244.0.0/24")], ip_address("192.0.2.7")
    found = plan_tunnel(far, own, [address], [(address, 9000), (ip_address("127.0.0.1"), 65536)])
    assert found is not None
    assert (found.inner, found.mac) == ((ip_address("10.244.0.0"),), "0e:58:0a:f4:00:00")
    assert (found.mtu, found.local) == (8950, address)
    assert found.peers == (Peer(subnet, subnet.network_address, "0e:58:0a:f4:01:00", IPv4Address("198.51.100.9")),)
    behind = plan_tunnel(far, own, [ip_address("203.0.113.1")], [(address, 9000)])  # its address is a router's
    assert behind is not None and behind.local == ip_address("0.0.0.0") and behind.mtu == 1450
    assert plan_tunnel({}, own, [address], []) is None and plan_tunnel(far, [], [address], []) is None


def test_each_cluster_has_a_tunnel_of_its_own() -> None:
    assert plan_vni("one") != plan_vni("two") and plan_vni("one\n") == plan_vni("one")


WAYS = st.tuples(st.one_of(st.none(), ADDRESSES), st.integers(1, 4))
SUBNETS = st.integers(1, 5).map(lambda n: IPv4Network(f"10.244.{n}.0/24"))
GATEWAYS = st.dictionaries(SUBNETS, ADDRESSES)


@given(st.dictionaries(SUBNETS, WAYS), GATEWAYS, GATEWAYS, st.integers(0, 4))
def test_another_instances_routes_are_never_touched(present: Any, made: Any, wanted: Any, tunnel: int) -> None:
    found = plan_changes(present, made, wanted, tunnel)
    for subnet in [*found.stale, *found.changed]:
        gateway, index = present[subnet]
        assert (gateway is not None and made.get(subnet) == gateway) or (subnet in found.changed and index == tunnel)
    assert not found.missing.keys() & present.keys()
    right = {subnet for subnet, gateway in wanted.items() if present.get(subnet, ("",))[0] == gateway}
    assert wanted.keys() == right | found.changed.keys() | found.missing.keys() | found.foreign.keys()
    assert not found.stale.keys() & wanted.keys()


def test_a_bridge_of_this_machine_is_another_s() -> None:
    subnet = ip_network("10.244.1.0/24")
    way = (None, 7)
    found = plan_changes({subnet: way}, {}, {subnet: ip_address("10.65.0.3")}, 0)
    assert found == Changes({}, {}, {}, {subnet: way})
