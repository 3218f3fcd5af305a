"""The address plan: which subnet a bridge gets, which address a container. Pure."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

from corral.errors import Forbidden, HostError, InvalidInput

AnyNetwork = IPv4Network | IPv6Network
AnyAddress = IPv4Address | IPv6Address


def candidates(pools: Iterable[str]) -> Iterator[IPv4Network]:
    """The subnets to choose from: /16 each, /20 of pools as small as a /16, or as the pool says behind its subnet.

    >>> [str(n) for n in candidates(["10.64.0.0/15", "192.168.0.0/16"])][:3]
    ['10.64.0.0/16', '10.65.0.0/16', '192.168.0.0/20']
    >>> [str(n) for n in candidates(["10.80.0.0/13 24"])][:2]
    ['10.80.0.0/24', '10.80.1.0/24']
    """
    for text in pools:
        subnet, _, size = text.partition(" ")
        pool = IPv4Network(subnet)
        usual = 16 if pool.prefixlen < 16 else min(pool.prefixlen + 4, 29)
        yield from pool.subnets(new_prefix=int(size or usual))


def plan_free(offered: Iterable[IPv4Network], busy: Iterable[AnyNetwork]) -> Iterator[IPv4Network]:
    """Those that overlap nothing busy; default routes do not count. Pure.

    >>> busy = [ip_network("10.65.3.0/24"), ip_network("10.64.0.0/16"), ip_network("0.0.0.0/0")]
    >>> [str(subnet) for subnet in plan_free(candidates(["10.64.0.0/14"]), busy)]
    ['10.66.0.0/16', '10.67.0.0/16']
    """
    starts: list[int] = []
    ends: list[int] = []
    spans = [(int(n[0]), int(n[-1])) for n in busy if isinstance(n, IPv4Network) and n.prefixlen > 0]
    for start, end in sorted(spans):
        if ends and start <= ends[-1]:
            ends[-1] = max(ends[-1], end)
        else:
            starts.append(start)
            ends.append(end)
    for subnet in offered:
        before = bisect_right(starts, int(subnet[-1])) - 1
        if before < 0 or ends[before] < int(subnet[0]):
            yield subnet


def choose_subnet(pools: Iterable[str], taken: Iterable[AnyNetwork], start: int = 0) -> IPv4Network:
    """The first subnet that overlaps nothing taken, looking from number `start` on, around the end.

    Instances start at different places, so that two that choose at the same moment hardly ever agree.

    >>> str(choose_subnet(["10.64.0.0/14"], [ip_network("10.65.1.0/24")], start=1))
    '10.66.0.0/16'
    """
    offered = list(candidates(pools))
    start %= len(offered)
    for subnet in plan_free([*offered[start:], *offered[:start]], taken):
        return subnet
    raise HostError("every address pool overlaps a network of this host: set the subnet in the configuration")


def start_of(tag: str) -> int:
    """Where an instance starts to look, among the sixteen subnets of the first pool: 0 for the default one.

    >>> start_of(""), start_of("ab12") == start_of("ab12")
    (0, True)
    """
    return hashlib.sha256(tag.encode()).digest()[0] % 16 if tag else 0


def private_subnet6(seed: str) -> IPv6Network:
    """A private /64 (RFC 4193) that is most likely nobody else's.

    >>> private_subnet6("x").prefixlen, private_subnet6("x").is_private
    (64, True)
    """
    return IPv6Network((b"\xfd" + hashlib.sha256(seed.encode()).digest()[:7] + bytes(8), 64))


def gateway_of(network: IPv4Network) -> IPv4Address:
    """The bridge's own address: the first.

    >>> str(gateway_of(IPv4Network("10.64.0.0/16")))
    '10.64.0.1'
    """
    return network.network_address + 1


def mac_of(address: IPv4Address) -> str:
    """The hardware address that goes with an address: whoever has the one next has the other too, so nobody's
    neighbour table goes stale.

    >>> mac_of(IPv4Address("10.64.0.2"))
    '02:42:0a:40:00:02'
    """
    return (b"\x02\x42" + address.packed).hex(":")


def ipv6_beside(network: IPv6Network, address: IPv4Address) -> IPv6Address:
    """The IPv6 address of the container that has this IPv4 address.

    >>> str(ipv6_beside(IPv6Network("fd00::/64"), IPv4Address("10.64.0.2")))
    'fd00::a40:2'
    """
    return network.network_address + int(address)


class AddressPool:
    """The addresses of one subnet. They are handed out in turn, so that one given back rests the longest: for whoever
    had it, should they come again.

    The interface of a container that just ended may answer for its address a little longer. `within` is the part
    that addresses are chosen from; others of the subnet can be claimed all the same. Without `reserved` the first
    address is the gateway's.

    >>> pool = AddressPool(IPv4Network("10.64.0.0/29"))
    >>> [str(pool.take()) for _ in range(2)]
    ['10.64.0.2', '10.64.0.3']
    >>> pool.give(IPv4Address("10.64.0.2")); str(pool.take())
    '10.64.0.4'
    >>> str(AddressPool(IPv6Network("fd00::/64"), reserved=[IPv6Address("fd00::1")]).take())
    'fd00::2'
    """

    def __init__(
        self,
        network: AnyNetwork,
        name: str = "bridge",
        *,
        within: AnyNetwork | None = None,
        reserved: Iterable[AnyAddress] | None = None,
    ) -> None:
        self.network = network
        self._name = name
        self._make = type(network.network_address)
        small = network.prefixlen >= network.max_prefixlen - 1  # too small to have addresses of its own
        self._lowest = int(network.network_address) + (not small)
        self._highest = int(network.broadcast_address) - (network.version == 4 and not small)
        part = within or network
        self._first = max(self._lowest, int(part.network_address))
        self._last = min(self._highest, int(part.broadcast_address))
        held = [network.network_address + 1] if reserved is None else reserved
        self._reserved = frozenset(map(int, held))
        if reserved is None and (small or self._highest - self._lowest < 1):
            raise InvalidInput(f"subnet {network} has no room for containers")
        self._used: set[int] = set()
        self._chosen = sum(self._first <= value <= self._last for value in self._reserved)
        self._next = self._first

    def __len__(self) -> int:
        return len(self._used)

    def take(self, hosts: Collection[AnyAddress] = ()) -> AnyAddress:
        """A free address, none of the `hosts` own. HostError when there is none.

        >>> line = AddressPool(IPv4Network("10.9.0.0/31"), "l", reserved=[IPv4Address("10.9.0.1")])
        >>> line.take([IPv4Address("10.9.0.0")])
        Traceback (most recent call last):
        corral.errors.HostError: no available IPv4 addresses on this network's address pools: l (10.9.0.0 is the host's)
        """
        own = {int(address): str(address) for address in hosts if address in self.network}
        if self._chosen <= self._last - self._first:
            for value in self._from(self._next):
                if value not in self._used and value not in self._reserved and value not in own:
                    return self._mark(value)
        note = f" ({', '.join(own.values())} is the host's)" if own else ""
        room = f"no available IPv{self.network.version} addresses on this network's address pools"
        raise HostError(f"{room}: {self._name}{note}")

    def _from(self, start: int) -> Iterator[int]:
        yield from range(start, self._last + 1)
        yield from range(self._first, start)

    def claim(self, address: AnyAddress) -> None:
        """Takes this very address. InvalidInput if it is not one for containers, Forbidden if it is taken."""
        value = int(address)
        if address.version != self.network.version or not self._lowest <= value <= self._highest:
            raise InvalidInput(f"address {address} is not one for containers of {self.network}")
        if value in self._used or value in self._reserved:
            raise Forbidden(f"Address already in use: {address}")
        self._mark(value)

    def take_again(self, address: AnyAddress, hosts: Collection[AnyAddress] = ()) -> bool:
        """Takes one that was chosen before, if it is free still. The turn of the others stays as it is.

        >>> pool = AddressPool(IPv4Network("10.64.0.0/29"))
        >>> first, second = pool.take(), pool.take()
        >>> pool.give(first); pool.take_again(first), pool.take_again(first), str(pool.take())
        (True, False, '10.64.0.4')
        """
        value = int(address)
        busy = value in self._used or value in self._reserved or address in hosts
        if busy or not self._first <= value <= self._last:
            return False
        self._used.add(value)
        self._chosen += 1
        return True

    def _mark(self, value: int) -> AnyAddress:
        self._used.add(value)
        if self._first <= value <= self._last:
            self._chosen += 1
            self._next = value + 1 if value < self._last else self._first
        return self._make(value)

    def give(self, address: AnyAddress) -> None:
        """Gives one back; one that is free is fine."""
        value = int(address)
        if value in self._used:
            self._used.discard(value)
            self._chosen -= self._first <= value <= self._last


def parse_nameservers(resolv_conf: str) -> list[AnyNetwork]:
    """The name servers as networks of one address: a subnet over one of them would cut it off.

    >>> parse_nameservers("nameserver 10.64.0.53\\nnameserver fe80::1%eth0\\n")
    [IPv4Network('10.64.0.53/32')]
    """
    words = [line.split() for line in resolv_conf.splitlines()]
    servers = [w[1] for w in words if len(w) > 1 and w[0] == "nameserver" and "%" not in w[1]]
    found = []
    for server in servers:
        try:
            found.append(ip_network(server))
        except ValueError:  # not an address: the resolver ignores it too
            continue
    return found
