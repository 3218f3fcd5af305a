"""Which subnets a network gets. Pure.

A subnet that is asked for must overlap no other network of this instance; one that is chosen overlaps nothing that
the host has a route to, either.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from corral.errors import Forbidden, InvalidInput
from corral.model.network import NetworkSpec, Pool
from corral.networks.addresses import AnyNetwork, candidates, plan_free

OVERLAP = "invalid pool request: Pool overlaps with other one on this address space"
NOTATION = "invalid CIDR block notation"
IN_USE = "Address already in use"
EXHAUSTED = "all predefined address pools have been fully subnetted"


def check_pools(spec: NetworkSpec) -> None:
    """InvalidInput that names every mistake in the subnets asked for.

    >>> check_pools(NetworkSpec("shop", pools=[Pool("10.9.0.1/24", gateway="10.8.0.1")]))
    Traceback (most recent call last):
        ...
    corral.errors.InvalidInput: invalid network config:
    invalid subnet 10.9.0.1/24: it should be 10.9.0.0/24
    invalid gateway 10.8.0.1: parent subnet 10.9.0.1/24 doesn't contain this address
    """
    problems = [problem for pool in spec.pools if pool.subnet for problem in _problems(pool, spec.ipv6)]
    if problems:
        raise InvalidInput("invalid network config:\n" + "\n".join(problems))
    for pool in spec.pools:
        if not pool.subnet and (pool.ip_range or pool.gateway or pool.aux):
            raise InvalidInput("invalid network config:\nan address range, gateway or address needs its subnet")


def _problems(pool: Pool, ipv6: bool) -> list[str]:
    subnet = _parsed(pool.subnet)
    if subnet is None:
        return [f"invalid subnet {pool.subnet}: {NOTATION}"]
    if subnet.version == 6 and not ipv6:
        return []
    found = [f"invalid subnet {pool.subnet}: it should be {subnet}"] if str(subnet) != _plain(pool.subnet) else []
    found += _range_problems(pool, subnet) if pool.ip_range else []
    given = [("gateway", pool.gateway, pool.gateway)] if pool.gateway else []
    for what, name, text in [*given, *(("auxiliary address", name, text) for name, text in pool.aux.items())]:
        problem = _address_problem(text, subnet, pool.subnet)
        found += [f"invalid {what} {name}: {problem}"] if problem else []
    return found


def _parsed(text: str) -> AnyNetwork | None:
    """None for what is no address and prefix length; `ipaddress` takes a lone address and a netmask too.

    >>> _parsed("10.9.0.1/24"), _parsed("10.9.0.0"), _parsed("10.9.0.0/255.255.0.0")
    (IPv4Network('10.9.0.0/24'), None, None)
    """
    try:
        return ip_network(text, strict=False) if re.search("/[0-9]{1,3}$", text) else None
    except ValueError:
        return None


def _plain(subnet: str) -> str:
    """In the spelling of `ipaddress`, host bits kept."""
    address, _, prefix = subnet.partition("/")
    return f"{ip_address(address)}/{prefix}"


def _range_problems(pool: Pool, subnet: AnyNetwork) -> list[str]:
    start = f"invalid ip-range {pool.ip_range}: "
    part = _parsed(pool.ip_range)
    if part is None:
        return [f"{start}{NOTATION}"]
    if part.version != subnet.version:
        return [f"{start}parent subnet is an IPv{subnet.version} block"]
    found = []
    if part.prefixlen < subnet.prefixlen:
        found.append(f"{start}CIDR block is bigger than its parent subnet {pool.subnet}")
    if str(part) != _plain(pool.ip_range):
        found.append(f"{start}it should be {part}")
    if not subnet.overlaps(part):
        found.append(f"{start}parent subnet {pool.subnet} doesn't contain ip-range")
    return found


def _address_problem(text: str, subnet: AnyNetwork, shown: str) -> str:
    try:
        address = ip_address(text)
    except ValueError:
        return "invalid address"
    if address.version != subnet.version:
        return f"parent subnet is an IPv{subnet.version} block"
    return "" if address in subnet else f"parent subnet {shown} doesn't contain this address"


def plan_pools(
    spec: NetworkSpec, default: Iterable[str], ours: Sequence[AnyNetwork], taken: Sequence[AnyNetwork], seed: str
) -> list[Pool]:
    """The subnets that the network gets, each with its gateway. `ours` are those of the instance's other networks,
    `taken` what the host has routes to; `seed` makes private IPv6 subnets differ.

    >>> plan_pools(NetworkSpec("a"), ["10.64.0.0/15"], [ip_network("10.64.0.0/16")], [], "x")
    [Pool(subnet='10.65.0.0/16', gateway='10.65.0.1', ip_range='', aux={})]
    >>> plan_pools(NetworkSpec("a", pools=[Pool("10.65.8.0/24")]), [], [ip_network("10.65.0.0/16")], [], "x")
    Traceback (most recent call last):
        ...
    corral.errors.Forbidden: invalid pool request: Pool overlaps with other one on this address space
    """
    asked = [(ip_network(pool.subnet, strict=False), pool) for pool in spec.pools if pool.subnet]
    pools: list[Pool] = []
    if spec.ipv4:
        pools += _family([entry for entry in asked if entry[0].version == 4], ours)
        if not pools:
            subnet4 = _free4(default, [*ours, *taken])
            pools.append(Pool(str(subnet4)))
    if spec.ipv6:
        found = _family([entry for entry in asked if entry[0].version == 6], ours)
        if not found:
            found.append(Pool(str(_free6([*ours, *taken], seed))))
        pools += found
    return [_with_gateway(pool, ip_network(pool.subnet, strict=False), spec) for pool in pools]


def needs_gateway(spec: NetworkSpec, version: int) -> bool:
    """Pure: whether a network keeps an address for a gateway that nobody has asked for: where containers have a route
    through it, or the host an address of it.

    >>> from corral.model.network import NetworkOptions
    >>> inhibit = NetworkOptions(inhibit_gateway=True)
    >>> [needs_gateway(NetworkSpec("a", internal=internal, options=inhibit), 4) for internal in (False, True)]
    [True, False]
    >>> needs_gateway(NetworkSpec("a", "macvlan"), 4)  # on an interface of its own, that leads nowhere
    False
    """
    options = spec.options
    if spec.driver != "bridge":  # which gives the host no address
        return not spec.internal and bool(options.parent)
    if (options.gateway4 if version == 4 else options.gateway6) == "isolated":
        return False
    return not (version == 4 and spec.internal and options.inhibit_gateway)


def _family(asked: list[tuple[AnyNetwork, Pool]], ours: Sequence[AnyNetwork]) -> list[Pool]:
    found: list[Pool] = []
    seen = list(ours)
    for subnet, pool in asked:
        if any(subnet.version == other.version and subnet.overlaps(other) for other in seen):
            raise Forbidden(OVERLAP)
        seen.append(subnet)
        found.append(pool)
    return found


def _with_gateway(pool: Pool, subnet: AnyNetwork, spec: NetworkSpec) -> Pool:
    """The gateway is the first address that is free; in the range, where there is one. A subnet of two addresses has
    no more than these (RFC 3021).
    """
    _check_taken(pool, subnet)
    taken = {ip_address(address) for address in pool.aux.values()}
    gateway = pool.gateway
    if not gateway and needs_gateway(spec, subnet.version):
        within = ip_network(pool.ip_range) if pool.ip_range else subnet
        ends = not (subnet.version == 4 and subnet.prefixlen >= 31)  # that are nobody's
        first = int(within.network_address) + (ends and within.network_address == subnet.network_address)
        last = int(subnet.broadcast_address) - (ends and subnet.version == 4)
        make = type(subnet.network_address)
        found = next((make(n) for n in range(first, last + 1) if make(n) not in taken), None)
        if found is None:
            room = f"no available IPv{subnet.version} addresses on this network's address pools"
            raise Forbidden(f"{room}: {pool.subnet}")
        gateway = str(found)
    return Pool(pool.subnet, gateway, pool.ip_range, pool.aux)


def _check_taken(pool: Pool, subnet: AnyNetwork) -> None:
    """Forbidden where an address asked for is the network's own, or asked for twice."""
    ends = [subnet.network_address, *([subnet.broadcast_address] if subnet.version == 4 else [])]
    taken = set(ends if subnet.prefixlen < subnet.max_prefixlen - 1 else [])
    if pool.gateway and ip_address(pool.gateway) in taken:
        raise Forbidden(f"failed to allocate gateway ({pool.gateway}): {IN_USE}")
    taken |= {ip_address(pool.gateway)} if pool.gateway else set()
    for name, text in pool.aux.items():
        if ip_address(text) in taken:
            raise Forbidden(f"failed to allocate secondary ip address ({name}:{text}): {IN_USE}")
        taken.add(ip_address(text))


def _free4(default: Iterable[str], busy: Sequence[AnyNetwork]) -> IPv4Network:
    for subnet in plan_free(candidates(default), busy):
        return subnet
    raise InvalidInput(EXHAUSTED)


def _free6(busy: Sequence[AnyNetwork], seed: str) -> IPv6Network:
    """A private /64 (RFC 4193), the first of a row that nobody has."""
    others = [n for n in busy if isinstance(n, IPv6Network) and n.prefixlen > 0]
    for turn in range(1024):
        subnet = IPv6Network((b"\xfd" + hashlib.sha256(f"{seed} {turn}".encode()).digest()[:7] + bytes(8), 64))
        if not any(subnet.overlaps(other) for other in others):
            return subnet
    raise InvalidInput(EXHAUSTED)
