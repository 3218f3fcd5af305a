"""Deciding how the default network is: subnet, gateway, MTU; and a container's place in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_network

from corral.errors import Conflict, InvalidInput, NotFound
from corral.model.container import Endpoint, EndpointSpec, NetworkSpec
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
from corral.networks.rules import Table
from corral.networks.wires import Lines

NETWORK = "bridge"
_MODES = ("default", NETWORK)


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
    other = _overlapped(network, taken)
    if other and not up:
        raise Conflict(f"subnet {network} of the configuration overlaps {other}, which this host has a route to")
    return str(network)


def _overlapped(network: IPv4Network, taken: Iterable[AnyNetwork]) -> AnyNetwork | None:
    return next((n for n in taken if isinstance(n, IPv4Network) and n.prefixlen and n.overlaps(network)), None)


def plan_lines(config: NetworkConfig, chosen: Chosen, names: InstanceNames, uplink_mtu: int) -> Lines:
    """The bridge of a network."""
    gateway = gateway_of(IPv4Network(chosen.subnet))
    return Lines(
        table=Table(names.table, names.bridge, chosen.subnet, chosen.subnet6, config.icc),
        gateway=gateway,
        mac=mac_of(gateway),
        mtu=config.mtu or uplink_mtu,
        gateway6=IPv6Network(chosen.subnet6).network_address + 1 if chosen.subnet6 else None,
    )


def check_network(spec: NetworkSpec) -> EndpointSpec:
    """How to join the default bridge; NotFound for any other network, InvalidInput for what it does not offer."""
    for name in [spec.mode, *spec.endpoints]:
        if name not in _MODES:
            raise NotFound(f"network {name} not found")
    wanted = spec.endpoints.get(NETWORK) or spec.endpoints.get("default") or EndpointSpec()
    refused = ""
    if wanted.ipv4 or wanted.ipv6:
        refused = "user specified IP address is supported on user defined networks only"
    elif wanted.link_local_ips:
        refused = "link-local addresses are supported on user defined networks only"
    elif wanted.aliases:
        refused = "network-scoped aliases are only supported for user-defined networks"
    if refused:
        raise InvalidInput(f"invalid config for network {NETWORK}: {refused}")
    return wanted


def plan_endpoint(
    address: IPv4Address, lines: Lines, spec: EndpointSpec, *, network_id: str, endpoint_id: str
) -> Endpoint:
    """A container's place in the default network, but for the name of the host's interface."""
    subnet = ip_network(lines.table.subnet)
    endpoint = Endpoint(
        network=NETWORK,
        network_id=network_id,
        endpoint_id=endpoint_id,
        mac=spec.mac.lower().replace("-", ":") or mac_of(address),
        ipv4=str(address),
        ipv4_prefix=subnet.prefixlen,
        gateway=str(lines.gateway),
    )
    if lines.gateway6 is not None:
        endpoint.ipv6 = str(ipv6_beside(IPv6Network(lines.table.subnet6), address))
        endpoint.ipv6_prefix, endpoint.gateway6 = 64, str(lines.gateway6)
    return endpoint
