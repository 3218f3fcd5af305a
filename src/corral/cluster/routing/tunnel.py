"""The tunnel to nodes that are on no common network: VXLAN (RFC 7348), one interface for all of them. Pure.

Follows flannel's vxlan backend: nothing is learned from packets. For each subnet of another node there are entries::

    route       10.244.1.0/24 via 10.244.1.0 dev VXLAN onlink               which packets
    neighbour   10.244.1.0 -> 0e:58:0a:f4:01:00                             which frame they are put into
    route       fd00:10:244:1::/64 via fe80::c58:aff:fef4:100 dev VXLAN     the same of IPv6
    neighbour   fe80::c58:aff:fef4:100 -> 0e:58:0a:f4:01:00
    FDB         0e:58:0a:f4:01:00 -> 10.65.0.3                              which node that frame is sent to

The addresses and the MAC of a node's end are made of its subnets of pods, so nodes need not tell them to each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

from corral.cluster.routing.plan import AnyAddress, AnyNetwork, Far, tunnel_version

PORT: Final = 4789  # of UDP, by IANA
OVERHEAD: Final = {4: 50, 6: 70}  # bytes: Ethernet, IP, UDP and VXLAN headers around each frame
LEAST_MTU: Final = 1280
USUAL_MTU: Final = 1500


class Peer(NamedTuple):
    """The other end: a subnet of its node's pods, its address and MAC inside the tunnel, and where the node is."""

    subnet: AnyNetwork
    inner: AnyAddress
    mac: str
    outer: AnyAddress


class Tunnel(NamedTuple):
    """This machine's end. `inner`: its addresses inside; `sources`: those that what this machine itself sends to IPv6
    pods comes from; `local`: the address that packets leave from, the unspecified one of its family where the node's is
    not this machine's own."""

    inner: tuple[AnyAddress, ...]
    sources: tuple[IPv6Address, ...]
    mac: str
    mtu: int
    local: AnyAddress
    peers: tuple[Peer, ...]


def plan_tunnel(
    tunnelled: Mapping[AnyNetwork, Far],
    own: Sequence[AnyNetwork],
    addresses: Sequence[AnyAddress],
    links: Iterable[tuple[AnyAddress, int]],
) -> Tunnel | None:
    """None where nothing needs it, or this node has no subnet of pods yet.

    `own` and `addresses` are this node's subnets and addresses, `links`: (address, MTU) of all that this machine has.

    >>> from ipaddress import ip_network
    >>> far = Far(ip_address("10.65.0.3"), ip_network("10.244.1.0/24"))
    >>> found = plan_tunnel({ip_network("10.244.1.0/24"): far, ip_network("fd00:10:244:1::/64"): far},
    ...                     [ip_network("10.244.0.0/24"), ip_network("fd00:10:244::/64")],
    ...                     [ip_address("192.0.2.7")], [(ip_address("192.0.2.7"), 1500)])
    >>> found.inner, found.mtu
    ((IPv4Address('10.244.0.0'), IPv6Address('fe80::c58:aff:fef4:0')), 1450)
    >>> found.sources
    (IPv6Address('fd00:10:244::1'),)
    >>> [(str(one.inner), one.mac) for one in found.peers]
    [('10.244.1.0', '0e:58:0a:f4:01:00'), ('fe80::c58:aff:fef4:100', '0e:58:0a:f4:01:00')]
    """
    if not tunnelled or not own:
        return None
    peers = tuple(
        Peer(subnet, end_address(subnet, far.first), end_mac(far.first), far.address)
        for subnet, far in tunnelled.items()
    )
    version, known = tunnel_version(addresses), dict(links)
    address = next((one for one in addresses if one.version == version and one in known), None)
    mtu = known[address] if address is not None else USUAL_MTU
    local = address or ip_address("0.0.0.0" if version == 4 else "::")
    inner = tuple(end_address(subnet, own[0]) for subnet in own)
    # The address on the pods' bridge: on the tunnel's interface, too, the kernel takes it rather than a global one of
    # another interface, which the other end may have no way back to. (For IPv4 it takes the end's own.)
    sources = tuple(subnet.network_address + 1 for subnet in own if isinstance(subnet, IPv6Network))
    return Tunnel(inner, sources, end_mac(own[0]), plan_mtu(mtu, version), local, peers)


def plan_mtu(below: int, version: int = 4) -> int:
    """What fits into a packet of the network below, which has that family.

    >>> plan_mtu(1500), plan_mtu(9000), plan_mtu(1300), plan_mtu(1500, 6)
    (1450, 8950, 1280, 1430)
    """
    return max((below or USUAL_MTU) - OVERHEAD[version], LEAST_MTU)


def end_mac(first: AnyNetwork) -> str:
    """The MAC of a node's end, by the first subnet of its pods.

    >>> from ipaddress import ip_network
    >>> end_mac(ip_network("10.244.1.0/24")), end_mac(ip_network("fd00:10:244:1::/64"))
    ('0e:58:0a:f4:01:00', '0e:58:02:44:00:01')
    """
    # Of an IPv6 subnet's first half the end is what differs from node to node.
    packed = first.network_address.packed
    return f"0e:58:{(packed if isinstance(first, IPv4Network) else packed[4:8]).hex(':')}"


def end_address(subnet: AnyNetwork, first: AnyNetwork) -> AnyAddress:
    """The address of a node's end for packets to that subnet. For IPv6 it is the link-local one of its MAC: the first
    address of a subnet is every router's there (RFC 4291, 2.6.1).

    >>> from ipaddress import ip_network
    >>> end_address(ip_network("10.244.1.0/24"), ip_network("10.244.1.0/24"))
    IPv4Address('10.244.1.0')
    """
    if isinstance(subnet, IPv4Network):
        return subnet.network_address
    mac = bytes.fromhex(end_mac(first).replace(":", ""))
    return IPv6Address(b"\xfe\x80" + bytes(6) + bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:])


def plan_vni(authority: str) -> int:
    """The number of a cluster's tunnel, by its certificate: two clusters that share a machine do not meet.

    >>> 0 < plan_vni("PEM") < 1 << 24
    True
    """
    return int.from_bytes(hashlib.sha256(authority.strip().encode()).digest()[:3], "big") or 1
