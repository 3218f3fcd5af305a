from __future__ import annotations

from ipaddress import IPv4Network, ip_network

import pytest

from corral.errors import Forbidden, InvalidInput
from corral.model.network import NetworkOptions, NetworkSpec, Pool
from corral.networks.config import POOLS
from corral.networks.ipam import check_pools, plan_pools


def problems(*pools: Pool, ipv6: bool = False) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        check_pools(NetworkSpec("a", pools=list(pools), ipv6=ipv6))
    return caught.value.message.splitlines()[1:]


def test_every_mistake_is_named() -> None:
    assert problems(Pool("10.9.0.0/16", ip_range="10.0.0.0/8")) == [
        "invalid ip-range 10.0.0.0/8: CIDR block is bigger than its parent subnet 10.9.0.0/16"
    ]
    assert problems(Pool("10.9.0.0/16", ip_range="10.8.0.0/24"), Pool("x")) == [
        "invalid ip-range 10.8.0.0/24: parent subnet 10.9.0.0/16 doesn't contain ip-range",
        "invalid subnet x: invalid CIDR block notation",
    ]
    assert problems(Pool("10.9.0.0"), Pool("10.9.0.0/255.255.0.0"), Pool("10.9.0.0/16", "x", "10.9.0.9")) == [
        "invalid subnet 10.9.0.0: invalid CIDR block notation",
        "invalid subnet 10.9.0.0/255.255.0.0: invalid CIDR block notation",
        "invalid ip-range 10.9.0.9: invalid CIDR block notation",
        "invalid gateway x: invalid address",
    ]
    assert problems(Pool("10.9.0.0/16", ip_range="fd00::/64", aux={"a": "10.8.0.1", "b": "fd00::1"})) == [
        "invalid ip-range fd00::/64: parent subnet is an IPv4 block",
        "invalid auxiliary address a: parent subnet 10.9.0.0/16 doesn't contain this address",
        "invalid auxiliary address b: parent subnet is an IPv4 block",
    ]
    assert problems(Pool("fd00::1/64"), ipv6=True) == ["invalid subnet fd00::1/64: it should be fd00::/64"]
    assert problems(Pool(gateway="10.0.0.1")) == ["an address range, gateway or address needs its subnet"]
    check_pools(NetworkSpec("a", pools=[Pool("fd00::1/64")]))  # not asked for without IPv6


def test_both_families() -> None:
    four, six = plan_pools(NetworkSpec("a", ipv6=True), POOLS, [], [], "seed")
    assert (four.subnet, four.gateway) == ("10.64.0.0/16", "10.64.0.1")
    assert ip_network(six.subnet).subnet_of(ip_network("fd00::/8")) and six.gateway.endswith("::1")
    again = plan_pools(NetworkSpec("b", ipv4=False, ipv6=True), POOLS, [ip_network(six.subnet)], [], "seed")
    assert len(again) == 1 and again[0].subnet != six.subnet


def test_the_gateway_is_the_first_free_address_of_the_range() -> None:
    def gateway(pool: Pool) -> str:
        return plan_pools(NetworkSpec("a", pools=[pool]), POOLS, [], [], "")[0].gateway

    assert gateway(Pool("10.9.0.0/24", ip_range="10.9.0.128/25")) == "10.9.0.128"
    assert gateway(Pool("10.9.0.0/24", aux={"a": "10.9.0.1"})) == "10.9.0.2"
    assert gateway(Pool("10.9.0.0/24", gateway="10.9.0.77")) == "10.9.0.77"
    with pytest.raises(Forbidden, match="no available IPv4 addresses"):
        gateway(Pool("10.9.0.0/30", aux={"a": "10.9.0.1", "b": "10.9.0.2"}))


@pytest.mark.parametrize(
    ("pool", "message"),
    [
        (Pool("10.9.0.0/24", "10.9.0.0"), "failed to allocate gateway (10.9.0.0): Address already in use"),
        (Pool("10.9.0.0/24", "10.9.0.255"), "failed to allocate gateway (10.9.0.255): Address already in use"),
        (Pool("fd00::/64", "fd00::"), "failed to allocate gateway (fd00::): Address already in use"),
        (
            Pool("10.9.0.0/24", "10.9.0.5", aux={"a": "10.9.0.5"}),
            "failed to allocate secondary ip address (a:10.9.0.5): Address already in use",
        ),
        (
            Pool("10.9.0.0/24", aux={"a": "10.9.0.5", "b": "10.9.0.5"}),
            "failed to allocate secondary ip address (b:10.9.0.5): Address already in use",
        ),
        (
            Pool("10.9.0.0/24", aux={"a": "10.9.0.255"}),
            "failed to allocate secondary ip address (a:10.9.0.255): Address already in use",
        ),
    ],
)
def test_addresses_that_are_taken(pool: Pool, message: str) -> None:
    with pytest.raises(Forbidden) as caught:
        plan_pools(NetworkSpec("a", ipv6=True, pools=[pool]), POOLS, [], [], "")
    assert caught.value.message == message


def test_subnets_of_two_addresses() -> None:
    def gateway(spec: NetworkSpec) -> str:
        return plan_pools(spec, POOLS, [], [], "")[0].gateway

    two = [Pool("10.9.0.0/31")]
    isolated, inhibited = NetworkOptions(gateway4="isolated"), NetworkOptions(inhibit_gateway=True)
    assert gateway(NetworkSpec("a", pools=two)) == "10.9.0.0"
    assert gateway(NetworkSpec("a", pools=two, internal=True, options=isolated)) == ""
    assert gateway(NetworkSpec("a", pools=two, internal=True, options=inhibited)) == ""
    assert gateway(NetworkSpec("a", pools=two, options=inhibited)) == "10.9.0.0"  # a router that is elsewhere
    asked = [Pool("10.9.0.0/31", gateway="10.9.0.1")]
    assert gateway(NetworkSpec("a", pools=asked, internal=True, options=isolated)) == "10.9.0.1"
    assert gateway(NetworkSpec("a", pools=[Pool("10.9.0.7/32")])) == "10.9.0.7"


def test_what_is_taken() -> None:
    ours, routes = [ip_network("10.64.0.0/16")], [ip_network("10.65.3.0/24"), ip_network("0.0.0.0/0")]
    assert plan_pools(NetworkSpec("a"), POOLS, ours, routes, "")[0].subnet == "10.66.0.0/16"
    asked = NetworkSpec("a", pools=[Pool("10.65.0.0/16")])
    assert plan_pools(asked, POOLS, ours, routes, "")[0].subnet == "10.65.0.0/16"  # who asks for it knows
    with pytest.raises(Forbidden, match="Pool overlaps"):
        plan_pools(NetworkSpec("a", pools=[Pool("10.64.9.0/24")]), POOLS, ours, [], "")
    with pytest.raises(InvalidInput, match="all predefined address pools have been fully subnetted"):
        plan_pools(NetworkSpec("a"), POOLS, [ip_network(pool.split()[0]) for pool in POOLS], [], "")


def test_three_hundred_networks() -> None:
    made: list[IPv4Network] = []
    for n in range(300):
        [pool] = plan_pools(NetworkSpec(f"n{n}"), POOLS, made, [ip_network("10.80.2.0/23")], "seed")
        made.append(IPv4Network(pool.subnet))
    assert str(made[47]) == "192.168.240.0/20"
    assert [str(subnet) for subnet in made[48:51]] == ["10.80.0.0/24", "10.80.1.0/24", "10.80.4.0/24"]
