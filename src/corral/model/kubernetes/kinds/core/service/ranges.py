"""Which address or port of a range is free: chosen by chance, from the upper part first.

The lower part of a range is for those that ask for a number of their own. Follows
pkg/registry/core/service/{ipallocator,portallocator}.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection
from random import Random

from corral.model.kubernetes.addresses import Address, Network

NODE_PORTS = range(30000, 32768)


def static_band(size: int, least: int, most: int, step: int) -> int:
    """How many numbers at the start of a range are left to those that ask for them.

    >>> static_band(254, 16, 256, 16), static_band(65534, 16, 256, 16), static_band(14, 16, 256, 16)
    (16, 256, 0)
    """
    return 0 if size <= least else min(max(size // step, least), most)


def hosts(network: Network) -> range:
    """The addresses of a network that may be given, as numbers: neither its own nor (of IPv4) the broadcast address.

    >>> len(hosts(ipaddress.ip_network("10.0.0.0/24"))), len(hosts(ipaddress.ip_network("fd00::/120")))
    (254, 255)
    """
    first = int(network.network_address)
    last = int(network.broadcast_address)
    return range(first + 1, last if network.version == 4 else last + 1)


def plan_address(network: Network, used: Collection[Address], random: Random) -> Address | None:
    """Pure but for chance: a free address; None when all are in use.

    >>> str(plan_address(ipaddress.ip_network("10.0.0.0/30"), {ipaddress.ip_address("10.0.0.1")}, Random(1)))
    '10.0.0.2'
    """
    numbers = hosts(network)
    size = len(numbers) if network.version == 4 else min(len(numbers), 2**62)
    band = static_band(size, 16, 256, 16)
    taken = {int(one) for one in used if one in network}
    for part in (numbers[band:size], numbers[:band]):
        if (found := _pick(part, taken, random)) is not None:
            return ipaddress.IPv4Address(found) if network.version == 4 else ipaddress.IPv6Address(found)
    return None


def plan_node_port(used: Collection[int], random: Random, ports: range = NODE_PORTS) -> int | None:
    """Pure but for chance: a free port of the nodes; None when all are in use.

    >>> plan_node_port(range(30000, 32767), Random(1))
    32767
    """
    band = static_band(len(ports), 16, 128, 32)
    taken = set(used)
    for part in (ports[band:], ports[:band]):
        if (found := _pick(part, taken, random)) is not None:
            return found
    return None


def _pick(numbers: range, taken: set[int], random: Random) -> int | None:
    """From a place chosen by chance on, the first that is free."""
    if not numbers:
        return None
    start = random.randrange(len(numbers))
    for part in (numbers[start:], numbers[:start]):
        for number in part:
            if number not in taken:
                return number
    return None
