"""What a network is on the host: a bridge with addresses, and what the firewall's sets say of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from corral.errors import HostError
from corral.model.network import Network, NetworkOptions
from corral.networks.addresses import AnyAddress, mac_of
from corral.networks.rules import Element, plan_network_elements

# A bridge has at most 1023 ports. The first one keeps some free for cables to further bridges.
FIRST, FURTHER, BRIDGES = 1000, 1022, 24
LINK_LOCAL = IPv6Address("fe80::1")


@dataclass(frozen=True)
class Lines:
    """`addresses` are the host's own in the network, with their prefix lengths.

    `linking`: whether the host answers for neighbours that are kept apart; None where nobody ever asked for it.
    `translated`: others than the engine lead what is sent to some addresses to its members, back to the sender, too.
    """

    network: str
    network_id: str
    bridge: str
    mac: str
    mtu: int
    addresses: tuple[tuple[IPv4Address | IPv6Address, int], ...]
    subnets: tuple[str, ...]
    options: NetworkOptions = field(default_factory=NetworkOptions)
    internal: bool = False
    translated: bool = False
    linking: bool | None = None

    def elements(self, further: tuple[str, ...] = ()) -> list[Element]:
        """Its elements of the firewall's sets; `further` are its other bridges."""
        return plan_network_elements([self.bridge, *further], self.subnets, self.options, internal=self.internal)


def plan_lines(network: Network) -> Lines:
    """The bridge of a network.

    >>> from corral.model.network import NetworkSpec, Pool
    >>> plan_lines(Network("4f2a", NetworkSpec("a"), pools=[Pool("10.64.0.0/16", "10.64.0.1")], bridge="cr0")).addresses
    ((IPv4Address('10.64.0.1'), 16),)

    With IPv6 it has a link-local address, too: without one the kernel asks for no container's whereabouts on behalf of
    somebody elsewhere.

    >>> network = Network("4f2a", NetworkSpec("a"), pools=[Pool("fd00:1::/64", "fd00:1::1")], bridge="cr0")
    >>> [str(address) for address, _ in plan_lines(network).addresses]
    ['fd00:1::1', 'fe80::1']
    """
    options = network.spec.options
    addresses = []
    for pool in (pool for pool in network.pools if pool.gateway):
        gateway, subnet = ip_address(pool.gateway), ip_network(pool.subnet)
        mode = options.gateway4 if gateway.version == 4 else options.gateway6
        if mode != "isolated" and not (options.inhibit_gateway and gateway.version == 4):
            addresses.append((gateway, subnet.prefixlen))
    six = [address for address, _ in addresses if address.version == 6]
    if six and not any(address.is_link_local for address in six):
        addresses.append((LINK_LOCAL, 64))
    return Lines(
        network=network.name,
        network_id=network.id,
        bridge=network.bridge,
        mac=_bridge_mac(network),
        mtu=network.mtu,
        addresses=tuple(addresses),
        subnets=tuple(pool.subnet for pool in network.pools),
        options=options,
        internal=network.spec.internal,
        translated=network.spec.unlisted,
        linking=not options.icc if network.builtin else None,
    )


def _bridge_mac(network: Network) -> str:
    gateways: list[AnyAddress] = [ip_address(pool.gateway) for pool in network.pools if pool.gateway]
    first = next((g for g in gateways if isinstance(g, IPv4Address)), None)
    return mac_of(first) if first else "02:42:" + bytes.fromhex(network.id[:8]).hex(":")


def plan_bridge(counts: list[int], network: str, first: int = FIRST, further: int = FURTHER) -> int:
    """The number of the bridge that has room for one container more; it may be one that is to be made.

    >>> plan_bridge([3], "a", first=4), plan_bridge([4, 2], "a", first=4), plan_bridge([4, 9], "a", first=4, further=9)
    (0, 1, 2)
    """
    for number, count in enumerate(counts):
        if count < (further if number else first):
            return number
    if len(counts) < BRIDGES:
        return len(counts)
    raise HostError(f"network {network} is full: it takes {first + (BRIDGES - 1) * further} containers")
