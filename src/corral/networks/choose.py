"""Deciding how the default network is, and a container's place in a network. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from corral.errors import Conflict, InvalidInput, listed
from corral.model.container import Endpoint, EndpointSpec
from corral.model.network import Network, NetworkOptions, NetworkSpec, Pool
from corral.networks.addresses import (
    AnyNetwork,
    choose_subnet,
    gateway_of,
    ipv6_beside,
    mac_of,
    private_subnet6,
    start_of,
)
from corral.networks.config import Chosen, NetworkConfig
from corral.networks.names import InstanceNames
from corral.networks.places import DEFAULT, NO_NAME, is_interface_name

NO_IPV6 = "net.ipv6.conf.IFNAME.disable_ipv6=1"


def plan_network(
    config: NetworkConfig,
    before: Chosen | None,
    taken: Iterable[AnyNetwork],
    names: InstanceNames,
    now: int,
    *,
    up: bool,
) -> Chosen:
    """What was chosen before stays while its bridge is `up` or nothing overlaps it; else a subnet is chosen.

    >>> plan_network(NetworkConfig(), None, [ip_network("10.64.0.0/16")], InstanceNames(), 7, up=False).subnet
    '10.65.0.0/16'
    >>> plan_network(NetworkConfig(), Chosen("10.70.0.0/16", 5), [], InstanceNames(), 7, up=False).created
    5
    """
    taken = list(taken)
    subnet6 = (config.subnet6 or str(private_subnet6(names.tag))) if config.ipv6 else ""
    if config.subnet:
        return Chosen(_given(config.subnet, taken, up), before.created if before else now, subnet6)
    if before is not None and (up or not _overlapped(IPv4Network(before.subnet), taken)):
        return Chosen(before.subnet, before.created, subnet6)
    return Chosen(str(choose_subnet(config.pools, taken, start_of(names.tag))), now, subnet6)


def _given(subnet: str, taken: list[AnyNetwork], up: bool) -> str:
    try:
        network = IPv4Network(subnet, strict=False)
    except ValueError as error:
        raise InvalidInput(f"subnet {subnet!r} of the configuration: {error}") from error
    if network.num_addresses < 2:
        raise InvalidInput(f"subnet {subnet!r} of the configuration has no address for a container")
    other = _overlapped(network, taken)
    if other and not up:
        raise Conflict(f"subnet {network} of the configuration overlaps {other}, which this host has a route to")
    return str(network)


def _overlapped(network: IPv4Network, taken: Iterable[AnyNetwork]) -> AnyNetwork | None:
    return next((n for n in taken if isinstance(n, IPv4Network) and n.prefixlen and n.overlaps(network)), None)


def plan_default(config: NetworkConfig, chosen: Chosen, names: InstanceNames, uplink_mtu: int) -> Network:
    """The default network as an object like any other.

    >>> made = plan_default(NetworkConfig(), Chosen("10.64.0.0/16", 5), InstanceNames(), 1500)
    >>> made.name, made.bridge, made.pools[0].gateway
    ('bridge', 'corral0', '10.64.0.1')
    """
    pools = [Pool(chosen.subnet, str(gateway_of(IPv4Network(chosen.subnet))))]
    if chosen.subnet6:
        pools.append(Pool(chosen.subnet6, str(IPv6Network(chosen.subnet6).network_address + 1)))
    spec = NetworkSpec(DEFAULT, ipv6=bool(chosen.subnet6), options=NetworkOptions(icc=config.icc, mtu=config.mtu))
    return Network(
        names.network_id(DEFAULT),
        spec,
        created=chosen.created,
        pools=pools,
        bridge=names.bridge,
        mtu=config.mtu or uplink_mtu,
        builtin=True,
    )


def check_endpoint(network: Network, wanted: EndpointSpec) -> None:
    """InvalidInput for what the network does not offer."""
    problems = []
    if network.builtin:
        if wanted.ipv4 or wanted.ipv6:
            problems.append("user specified IP address is supported on user defined networks only")
        if wanted.aliases:
            problems.append("network-scoped aliases are only supported for user-defined networks")
    else:
        problems += [_address_problem(network, ip_address(text)) for text in (wanted.ipv4, wanted.ipv6) if text]
        problems = [problem for problem in problems if problem]
    if wanted.interface and (wanted.interface == "lo" or not is_interface_name(wanted.interface)):
        problems.append(f"{wanted.interface!r} {NO_NAME}, and not lo")
    if problems:
        raise InvalidInput(f"invalid config for network {network.name}: invalid endpoint settings:\n{listed(problems)}")


def _address_problem(network: Network, address: IPv4Address | IPv6Address) -> str:
    """Pure: "" if who joins may choose this address. One from a subnet that we chose could be another network's later.

    >>> chosen = [Pool("10.70.0.0/16"), Pool("fd00:7::/64")]
    >>> shop = Network("1", NetworkSpec("shop", pools=[Pool("10.70.0.0/16")]), pools=chosen)
    >>> _address_problem(shop, ip_address("10.70.0.9")), _address_problem(shop, ip_address("fd00:7::9"))
    ('', 'user specified IP address is supported only when connecting to networks with user configured subnets')
    """
    configured = [ip_network(pool.subnet, strict=False) for pool in network.spec.pools if pool.subnet]
    if address.version not in {subnet.version for subnet in configured}:
        return "user specified IP address is supported only when connecting to networks with user configured subnets"
    return "" if pool_of(network, address) else f"no configured subnet or ip-range contain the IP address {address}"


def pool_of(network: Network, address: IPv4Address | IPv6Address) -> Pool | None:
    return next((pool for pool in network.pools if address in ip_network(pool.subnet)), None)


def plan_endpoint(
    network: Network,
    spec: EndpointSpec,
    *,
    ipv4: str,
    ipv6: str,
    endpoint_id: str,
    interface: str,
    dns_names: list[str],
) -> Endpoint:
    """A container's place in a network, but for the name of the host's interface."""
    if network.builtin and network.spec.ipv6 and ipv4 and not refuses_ipv6(spec):
        subnet6 = next(pool.subnet for pool in network.pools if ":" in pool.subnet)
        ipv6 = str(ipv6_beside(IPv6Network(subnet6), IPv4Address(ipv4)))
    endpoint = Endpoint(
        network=network.name,
        network_id=network.id,
        endpoint_id=endpoint_id,
        interface=interface,
        mac=spec.mac.lower().replace("-", ":") or _mac(ipv4, endpoint_id),
        aliases=spec.aliases,
        dns_names=dns_names,
        priority=spec.gateway_priority,
        internal=network.spec.internal,
        link_local=spec.link_local_ips,
    )
    if ipv4 and (pool := pool_of(network, ip_address(ipv4))):
        endpoint.ipv4, endpoint.ipv4_prefix = ipv4, ip_network(pool.subnet).prefixlen
        endpoint.gateway = "" if leads_nowhere(network, 4) else pool.gateway
    modes = ((4, ipv4, network.spec.options.gateway4), (6, ipv6, network.spec.options.gateway6))
    endpoint.routed = [version for version, address, mode in modes if address and mode == "routed"]
    if ipv6 and (pool := pool_of(network, ip_address(ipv6))):
        endpoint.ipv6, endpoint.ipv6_prefix = ipv6, ip_network(pool.subnet).prefixlen
        endpoint.gateway6 = "" if leads_nowhere(network, 6) else pool.gateway
    return endpoint


def refuses_ipv6(spec: EndpointSpec) -> bool:
    """Pure: whether the interface is to be without IPv6 even in a network that has it.

    >>> refuses_ipv6(EndpointSpec(sysctls=["net.ipv6.conf.IFNAME.disable_ipv6=1"])), refuses_ipv6(EndpointSpec())
    (True, False)
    """
    return NO_IPV6 in spec.sysctls


def leads_nowhere(network: Network, version: int) -> bool:
    options = network.spec.options
    mode = options.gateway4 if version == 4 else options.gateway6
    return network.spec.internal or mode == "isolated"


def _mac(ipv4: str, endpoint_id: str) -> str:
    return mac_of(IPv4Address(ipv4)) if ipv4 else "02:42:" + bytes.fromhex(endpoint_id[:8]).hex(":")
