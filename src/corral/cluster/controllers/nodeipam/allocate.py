"""Which range of addresses a node gets. Pure."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_network
from typing import Final, NamedTuple

from corral.cluster.client.protocol import Object
from corral.model.kubernetes.addresses import Network

DEFAULT_BITS: Final = {4: 24, 6: 64}


class Pool(NamedTuple):
    """A cluster's range, and the length of the prefix that each node gets of it."""

    network: Network
    bits: int


def make_pool(text: str, bits: int | None = None) -> Pool:
    """
    >>> make_pool("10.244.0.0/16").bits
    24
    """
    network = ip_network(text)
    return Pool(network, bits or max(DEFAULT_BITS[network.version], network.prefixlen))


def cidrs_of(node: Object) -> list[str]:
    spec = node["spec"]
    return list(spec.get("podCIDRs") or ([spec["podCIDR"]] if spec.get("podCIDR") else []))


class Ranges:
    """Which ranges of a pool are taken. They are given out in turn, so that a range rests before it comes again.

    >>> ranges = Ranges(make_pool("10.244.0.0/23"))
    >>> ranges.take("10.244.0.0/24"), ranges.next_free(), ranges.take("10.244.1.0/24"), ranges.next_free()
    (None, '10.244.1.0/24', None, None)
    """

    def __init__(self, pool: Pool) -> None:
        self._network, self._bits = pool
        self._size = 1 << (self._network.max_prefixlen - self._bits)
        self._count = self._network.num_addresses // self._size
        self._taken: Counter[int] = Counter()
        self._cursor = 0

    def take(self, cidr: str) -> None:
        for index in self._places(cidr):
            self._taken[index] += 1
            self._cursor = index + 1

    def release(self, cidr: str) -> None:
        for index in self._places(cidr):
            self._taken[index] -= 1
            if not self._taken[index]:
                del self._taken[index]

    def _places(self, cidr: str) -> range:
        """Which of the pool's ranges this one touches: one that was given by hand may be of any size, or elsewhere."""
        other = ip_network(cidr, strict=False)
        if other.version != self._network.version:
            return range(0)
        first = (int(other[0]) - int(self._network[0])) // self._size
        last = (int(other[-1]) - int(self._network[0])) // self._size
        return range(max(first, 0), min(last + 1, self._count))

    def next_free(self) -> str | None:
        if len(self._taken) >= self._count:
            return None
        index = self._cursor % self._count
        while index in self._taken:
            index = (index + 1) % self._count
        start = int(self._network[0]) + index * self._size
        return str(type(self._network)((start, self._bits)))
