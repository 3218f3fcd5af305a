from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

import pytest

from corral.errors import Forbidden, HostError, InvalidInput
from corral.model.container import Endpoint, EndpointSpec
from corral.model.network import Network, NetworkSpec, Pool
from corral.networks import addresses as a
from corral.networks.config import POOLS
from corral.networks.members import REMEMBERED, Addresses


def test_the_default_instance_starts_with_the_first_subnet() -> None:
    assert str(a.choose_subnet(POOLS, [])) == "10.64.0.0/16"


def test_a_default_route_and_ipv6_take_nothing() -> None:
    assert str(a.choose_subnet(POOLS, [ip_network("0.0.0.0/0"), ip_network("::/0")])) == "10.64.0.0/16"


def test_a_host_without_room() -> None:
    with pytest.raises(HostError, match="every address pool overlaps"):
        a.choose_subnet(["10.64.0.0/16"], [ip_network("10.0.0.0/8")])


def test_a_full_pool_says_so_in_dockers_words() -> None:
    pool = a.AddressPool(IPv4Network("10.0.0.0/30"), "bridge (id)")
    assert str(pool.take()) == "10.0.0.2"
    with pytest.raises(HostError, match=r"no available IPv4 addresses on this network's address pools: bridge \(id\)"):
        pool.take()
    with pytest.raises(InvalidInput, match="no room"):
        a.AddressPool(IPv4Network("10.0.0.0/31"))


def test_claims() -> None:
    pool = a.AddressPool(IPv4Network("10.0.0.0/29"))
    pool.claim(IPv4Address("10.0.0.5"))
    for taken in ("10.0.0.5", "10.0.0.1"):
        with pytest.raises(Forbidden, match="Address already in use"):
            pool.claim(IPv4Address(taken))
    for wrong in ("10.0.0.0", "10.0.0.7", "10.0.1.2"):
        with pytest.raises(InvalidInput):
            pool.claim(IPv4Address(wrong))


def test_a_range_and_what_others_have() -> None:
    network, part = IPv4Network("10.0.0.0/24"), IPv4Network("10.0.0.8/30")
    held = [IPv4Address("10.0.0.1"), IPv4Address("10.0.0.9")]
    pool = a.AddressPool(network, "shop (id)", within=part, reserved=held)
    pool.claim(IPv4Address("10.0.0.99"))  # outside of the range, when it is asked for
    assert [str(pool.take()) for _ in range(3)] == ["10.0.0.8", "10.0.0.10", "10.0.0.11"]
    with pytest.raises(HostError, match="no available IPv4 addresses"):
        pool.take()
    pool.give(IPv4Address("10.0.0.10"))
    pool.give(IPv4Address("10.0.0.99"))
    assert str(pool.take()) == "10.0.0.10"


def test_derived_addresses() -> None:
    assert a.mac_of(IPv4Address("172.17.255.1")) == "02:42:ac:11:ff:01"
    subnet = a.private_subnet6("")
    assert subnet.subnet_of(IPv6Network("fc00::/7"))
    assert a.ipv6_beside(subnet, IPv4Address("10.64.0.2")) in subnet


def test_nameservers_that_are_no_addresses() -> None:
    assert a.parse_nameservers("# x\nnameserver\nnameserver nonsense\noptions ndots:1\n") == []


def test_who_left_longest_ago_is_forgotten() -> None:
    given = Addresses(Network("id", NetworkSpec("shop"), pools=[Pool("10.0.0.0/16", "10.0.0.1")]))
    first = given.take(EndpointSpec(), who="first")
    for who in ("first", *map(str, range(REMEMBERED))):
        ipv4, _ = first if who == "first" else given.take(EndpointSpec(), who=who)
        given.give_back(Endpoint("shop", "id", who, ipv4=ipv4), who)
    assert given.take(EndpointSpec(), who="0")[0] == "10.0.0.3"
    assert given.take(EndpointSpec(), who="first") != first
