from __future__ import annotations

from ipaddress import IPv4Address, ip_network

import pytest

from corral.errors import Conflict, InvalidInput, NotFound
from corral.model.container import EndpointSpec, NetworkSpec
from corral.networks.choose import check_network, plan_endpoint, plan_lines, plan_network
from corral.networks.config import Chosen, NetworkConfig
from corral.networks.names import InstanceNames
from corral.networks.wires import Port, plan_inside, plan_port

NAMES = InstanceNames()
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
    with pytest.raises(InvalidInput, match=r"'10\.1' of the configuration"):
        plan_network(NetworkConfig(subnet="10.1"), None, [], NAMES, 9, up=False)


def test_an_endpoint() -> None:
    lines = plan_lines(NetworkConfig(), Chosen("10.64.0.0/16", 5), NAMES, 9000)
    assert (str(lines.gateway), lines.mac, lines.mtu) == ("10.64.0.1", "02:42:0a:40:00:01", 9000)
    end = plan_endpoint(IPv4Address("10.64.0.9"), lines, EndpointSpec(), network_id="n", endpoint_id="e")
    assert (end.ipv4, end.ipv4_prefix, end.gateway, end.mac) == ("10.64.0.9", 16, "10.64.0.1", "02:42:0a:40:00:09")
    assert not end.ipv6
    assert len(plan_inside(2, end)) == 4


def test_an_endpoint_with_ipv6_and_a_mac() -> None:
    chosen = plan_network(NetworkConfig(ipv6=True, subnet6="fd00:1::/64"), None, [], NAMES, 9, up=False)
    lines = plan_lines(NetworkConfig(ipv6=True, mtu=1400), chosen, NAMES, 9000)
    spec = EndpointSpec(mac="AA-BB-CC-00-11-22")
    end = plan_endpoint(IPv4Address("10.64.0.9"), lines, spec, network_id="n", endpoint_id="e")
    assert (end.ipv6, end.gateway6, end.mac) == ("fd00:1::a40:9", "fd00:1::1", "aa:bb:cc:00:11:22")
    assert lines.mtu == 1400
    assert len(plan_inside(2, end)) == 6


def test_what_the_default_bridge_does_not_offer() -> None:
    assert check_network(NetworkSpec(mode="bridge", endpoints={"bridge": EndpointSpec(mac="x")})).mac == "x"
    with pytest.raises(NotFound, match="network blue not found"):
        check_network(NetworkSpec(mode="blue"))
    for refused in (EndpointSpec(ipv4="10.64.0.9"), EndpointSpec(aliases=["a"]), EndpointSpec(link_local_ips=["a"])):
        with pytest.raises(InvalidInput):
            check_network(NetworkSpec(endpoints={"bridge": refused}))


def test_special_ports_of_the_bridge() -> None:
    assert plan_port(Port("p", True), icc=True, filtered=False) == []
    assert plan_port(Port("p", False), icc=True, filtered=True) == []
    assert len(plan_port(Port("p", True), icc=True, filtered=True)) == 1
    assert len(plan_port(Port("p", False), icc=False, filtered=False)) == 1


def test_names() -> None:
    names = [InstanceNames(tag) for tag in ("", "ab12", "ab13")]
    identifier = "0123456789abcdef" * 4
    for one in names:
        assert len(one.veth(identifier, 15)) == 15
        assert len(one.bridge) <= 15
        assert [n.veth_owner(one.veth(identifier)) for n in names if n != one] == [None, None]
    assert len({n.network_id("bridge") for n in names}) == 3
