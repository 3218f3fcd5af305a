"""The tunnel to nodes that are on no common network: VXLAN (RFC 7348), one interface for all of them. Pure.

Follows flannel's vxlan backend: nothing is learned from packets. For each node there are three entries::

    route   10.244.1.0/24 via 10.244.1.0 dev VXLAN onlink      which packets
    ARP     10.244.1.0 -> 0e:58:0a:f4:01:00                    which frame they are put into
    FDB     0e:58:0a:f4:01:00 -> 10.65.0.3                     which node that is sent to

The address and the MAC of a node's end are made of its subnet of pods, so nodes need not tell them to each other.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv4Network
from typing import Final, NamedTuple

from corral.cluster.routing.plan import AnyAddress, AnyNetwork

PORT: Final = 4789  # of UDP, by IANA
OVERHEAD: Final = 50  # bytes: Ethernet, IPv4, UDP and VXLAN headers around each frame
LEAST_MTU: Final = 1280
USUAL_MTU: Final = 1500


class Peer(NamedTuple):
    """The other end: its node's subnet of pods, its address and MAC inside the tunnel, and where the node is."""

    subnet: IPv4Network
    inner: IPv4Address
    mac: str
    outer: IPv4Address


class Tunnel(NamedTuple):
    """This machine's end. `local`: the address that packets leave from, None where it is not this machine's own."""

    inner: IPv4Address
    mac: str
    mtu: int
    local: IPv4Address | None
    peers: tuple[Peer, ...]


def plan_tunnel(
    tunnelled: Mapping[AnyNetwork, AnyAddress],
    own: AnyNetwork | None,
    address: AnyAddress | None,
    links: Iterable[tuple[AnyAddress, int]],
) -> Tunnel | None:
    """None where nothing needs it, or this node has no subnet of pods yet.

    `own` and `address` are this node's subnet and address, `links`: (address, MTU) of all that this machine has.

    >>> from ipaddress import ip_address, ip_network
    >>> found = plan_tunnel({ip_network("10.244.1.0/24"): ip_address("10.65.0.3")}, ip_network("10.244.0.0/24"),
    ...                     ip_address("192.0.2.7"), [(ip_address("192.0.2.7"), 1500)])
    >>> found.inner, found.mtu, found.peers[0].mac
    (IPv4Address('10.244.0.0'), 1450, '0e:58:0a:f4:01:00')
    """
    peers = tuple(
        Peer(subnet, subnet.network_address, end_mac(subnet), outer)
        for subnet, outer in tunnelled.items()
        if isinstance(subnet, IPv4Network) and isinstance(outer, IPv4Address)
    )
    if not peers or not isinstance(own, IPv4Network):
        return None
    known = {one: mtu for one, mtu in links if isinstance(one, IPv4Address)}
    local = address if isinstance(address, IPv4Address) and address in known else None
    mtu = known[local] if local is not None else USUAL_MTU
    return Tunnel(own.network_address, end_mac(own), plan_mtu(mtu), local, peers)


def plan_mtu(below: int) -> int:
    """What fits into a packet of the network below.

    >>> plan_mtu(1500), plan_mtu(9000), plan_mtu(1300)
    (1450, 8950, 1280)
    """
    return max((below or USUAL_MTU) - OVERHEAD, LEAST_MTU)


def end_mac(subnet: IPv4Network) -> str:
    """
    >>> end_mac(IPv4Network("10.244.1.0/24"))
    '0e:58:0a:f4:01:00'
    """
    return f"0e:58:{subnet.network_address.packed.hex(':')}"


def plan_vni(authority: str) -> int:
    """The number of a cluster's tunnel, by its certificate: two clusters that share a machine do not meet.

    >>> 0 < plan_vni("PEM") < 1 << 24
    True
    """
    return int.from_bytes(hashlib.sha256(authority.strip().encode()).digest()[:3], "big") or 1
