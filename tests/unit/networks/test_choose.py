from __future__ import annotations

from ipaddress import ip_network

import pytest

from corral.errors import Conflict, InvalidInput
from corral.model.container import Endpoint, EndpointSpec
from corral.model.network import Network, NetworkSpec, Pool
from corral.networks.choose import check_endpoint, plan_default, plan_endpoint, plan_network
from corral.networks.config import Chosen, NetworkConfig
from corral.networks.inside import plan_interface, plan_routes
from corral.networks.lines import plan_lines
from corral.networks.names import InstanceNames
from corral.networks.places import Ways, plan_ways
from corral.networks.wires import Port, PortState, plan_port

NAMES = InstanceNames()
NOT_CONFIGURED = "user specified IP address is supported only when connecting to networks with user configured subnets"
VPN = [ip_network("10.64.0.0/10")]


def test_a_running_network_stays_whatever_the_host_does() -> None:
    before = Chosen("10.64.0.0/16", 5)
    assert plan_network(NetworkConfig(), before, VPN, NAMES, 9, up=True) == before
    moved = plan_network(NetworkConfig(), before, VPN, NAMES, 9, up=False)
    assert (moved.subnet, moved.created) == ("172.16.0.0/16", 9)


def test_a_configured_subnet() -> None:
    config = NetworkConfig(subnet="10.64.3.1/24")
    assert plan_network(config, None, [], NAMES, 9, up=False).subnet == "10.64.3.0/24"
    with pytest.raises(Conflict, match=r"10\.64\.3\.0/24 of the configuration overlaps 10\.64\.0\.0/10"):
        plan_network(config, None, VPN, NAMES, 9, up=False)
    with pytest.raises(InvalidInput, match=r"'10\.99\.0\.1/32' of the configuration has no address"):
        plan_network(NetworkConfig(subnet="10.99.0.1/32"), None, [], NAMES, 9, up=False)
    with pytest.raises(InvalidInput, match=r"'10\.1' of the configuration"):
        plan_network(NetworkConfig(subnet="10.1"), None, [], NAMES, 9, up=False)


def place(network: Network, spec: EndpointSpec, ipv4: str, ipv6: str = "") -> Endpoint:
    return plan_endpoint(network, spec, ipv4=ipv4, ipv6=ipv6, endpoint_id="e" * 64, interface="eth0", dns_names=[])


def test_an_endpoint() -> None:
    network = plan_default(NetworkConfig(), Chosen("10.64.0.0/16", 5), NAMES, 9000)
    lines = plan_lines(network)
    assert (str(lines.addresses[0][0]), lines.mac, lines.mtu) == ("10.64.0.1", "02:42:0a:40:00:01", 9000)
    end = place(network, EndpointSpec(), "10.64.0.9")
    assert (end.ipv4, end.ipv4_prefix, end.gateway, end.mac) == ("10.64.0.9", 16, "10.64.0.1", "02:42:0a:40:00:09")
    assert not end.ipv6
    assert len(plan_interface(2, end)) == 3
    assert len(plan_routes({"bridge": end}, plan_ways({"bridge": end}), [4])) == 1


def test_an_endpoint_with_ipv6_and_a_mac() -> None:
    chosen = plan_network(NetworkConfig(ipv6=True, subnet6="fd00:1::/64"), None, [], NAMES, 9, up=False)
    network = plan_default(NetworkConfig(ipv6=True, mtu=1400), chosen, NAMES, 9000)
    end = place(network, EndpointSpec(mac="AA-BB-CC-00-11-22"), "10.64.0.9")
    assert (end.ipv6, end.gateway6, end.mac) == ("fd00:1::a40:9", "fd00:1::1", "aa:bb:cc:00:11:22")
    assert network.mtu == 1400
    assert len(plan_interface(2, end)) == 4


def test_an_internal_network_leads_nowhere() -> None:
    pools = [Pool("10.70.0.0/16", "10.70.0.1")]
    secret = Network("4f2a" * 16, NetworkSpec("secret", internal=True), pools=pools, bridge="b", mtu=1500)
    end = place(secret, EndpointSpec(), "10.70.0.2")
    assert (end.gateway, end.internal) == ("", True)
    assert plan_ways({"secret": end}) == Ways()


def test_a_network_without_ipv4_has_a_mac_of_its_own() -> None:
    pools = [Pool("fd00:7::/64", "fd00:7::1")]
    six = Network("4f2a" * 16, NetworkSpec("six", ipv4=False, ipv6=True), pools=pools, bridge="b", mtu=1500)
    assert plan_lines(six).mac == "02:42:4f:2a:4f:2a"
    assert place(six, EndpointSpec(), "", "fd00:7::2").mac.startswith("02:42:")


def test_what_networks_do_not_offer() -> None:
    default = plan_default(NetworkConfig(), Chosen("10.64.0.0/16", 5), NAMES, 1500)
    check_endpoint(default, EndpointSpec(mac="x"))
    for refused in (EndpointSpec(ipv4="10.64.0.9"), EndpointSpec(aliases=["a"])):
        with pytest.raises(InvalidInput, match="for network bridge: invalid endpoint settings"):
            check_endpoint(default, refused)
    given, chosen = [Pool("10.70.0.0/16")], [Pool("10.70.0.0/16", "10.70.0.1"), Pool("fd00:7::/64", "fd00:7::1")]
    shop = Network("1", NetworkSpec("shop", pools=given), pools=chosen)
    check_endpoint(shop, EndpointSpec(ipv4="10.70.0.9", aliases=["a"]))
    with pytest.raises(InvalidInput, match=r"no configured subnet or ip-range contain the IP address 10\.71\.0\.9"):
        check_endpoint(shop, EndpointSpec(ipv4="10.71.0.9"))
    pooled, asked = Network("1", NetworkSpec("shop"), pools=chosen), EndpointSpec(ipv4="10.70.0.9", ipv6="fd00:7::9")
    for network, problems in ((shop, 1), (pooled, 2)):  # the address in a subnet that nobody configured
        with pytest.raises(InvalidInput) as refused:
            check_endpoint(network, asked)
        assert refused.value.message.startswith("invalid config for network shop: invalid endpoint settings:\n")
        assert refused.value.message.count(NOT_CONFIGURED) == problems


def test_special_ports_of_the_bridge() -> None:
    none, four, both = frozenset[int](), frozenset({4}), frozenset({4, 6})
    plain = PortState("p", isolated=False, hairpin=False)
    assert plan_port(Port("p", True), icc=True, filtered=none) == plain
    assert plan_port(Port("p", False), icc=True, filtered=both) == plain
    assert plan_port(Port("p", True), icc=True, filtered=four).hairpin
    assert plan_port(Port("p", False), icc=False, filtered=none).isolated
    assert plan_port(Port("p", True), icc=False, filtered=four) == PortState("p", isolated=True, hairpin=True)
    assert plan_port(Port("p", False), icc=False, filtered=both) == plain
    assert plan_port(Port("p", False), icc=False, filtered=both, further=True).isolated


def test_names() -> None:
    names = [InstanceNames(tag) for tag in ("", "ab12", "ab13")]
    identifier = "0123456789abcdef" * 4
    for one in names:
        assert len(one.veth(identifier, 15)) == 15
        assert len(one.bridge) <= 15
        made = (one.user_bridge(identifier), one.extension(identifier, 23), *one.span(identifier, 23))
        assert {len(name) for name in made} <= {14, 15}
        assert [one.is_further(name) for name in made] == [False, True, True, True]
        assert [n.network_of(one.alias("4f2a")) for n in names if n != one] == [None, None]
        assert [n.veth_owner(one.veth(identifier)) for n in names if n != one] == [None, None]
    assert len({n.network_id("bridge") for n in names}) == 3
