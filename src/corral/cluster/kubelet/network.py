"""The network of this node's pods: a bridge of the instance's own, that no list shows.

Each node has a subnet of every family that the cluster's Services have, the nth of each range together::

    node   IPv4 (10.244.0.0/16)   IPv6 (fd00:10:244::/56)
    a      10.244.0.0/24          fd00:10:244::/64
    b      10.244.1.0/24          fd00:10:244:1::/64
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from corral.engine.engine import Engine
from corral.errors import Conflict, Forbidden, HostError
from corral.model.network import GatewayMode, Network, NetworkOptions, NetworkSpec, Pool

AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

NAME: Final = ".pods"
RANGES: Final[dict[int, AnyNetwork]] = {
    4: ipaddress.IPv4Network("10.244.0.0/16"),
    6: ipaddress.IPv6Network("fd00:10:244::/56"),
}
LENGTHS: Final = {4: 24, 6: 64}  # of the prefix of a node's subnet; there are as many of each family
BUSY: Final = (
    "corral.dev/busy-subnets"  # the annotation by which a node says what of the range its machine has a way to
)


def ranges(families: Iterable[int]) -> tuple[str, ...]:
    """Pure: where the pods of all nodes are.

    >>> ranges((4, 6))
    ('10.244.0.0/16', 'fd00:10:244::/56')
    """
    return tuple(str(RANGES[version]) for version in families)


def families_of(networks: Iterable[AnyNetwork | str]) -> tuple[int, ...]:
    """Pure: the families of some networks, as of those of Services, in their order: the first is the default.

    >>> families_of(["fd00:10:96::/112", "10.96.0.0/12"])
    (6, 4)
    """
    return tuple(dict.fromkeys(ipaddress.ip_network(one).version for one in networks))


def in_range(taken: Iterable[AnyNetwork]) -> list[AnyNetwork]:
    """Pure: those in the ranges of pods. A wider way, as a VPN has to all of 10.0.0.0/8, bears a narrower beside it.

    >>> in_range([ipaddress.ip_network(one) for one in ("10.0.0.0/8", "10.244.3.0/24", "192.168.1.0/24", "::/0")])
    [IPv4Network('10.244.3.0/24')]
    """

    def inside(one: AnyNetwork) -> bool:
        whole = RANGES[one.version]
        return one.prefixlen >= whole.prefixlen and one.overlaps(whole)

    return [one for one in taken if inside(one)]


def candidates(
    asked: Sequence[str], taken: Iterable[AnyNetwork], families: Sequence[int] = (4,)
) -> Iterator[tuple[str, ...]]:
    """Pure: the subnets to try, one of each family: those that are asked for, else those of the ranges that nobody
    here has a route to.

    >>> next(candidates([], [ipaddress.ip_network("10.244.0.0/23"), ipaddress.ip_network("10.0.0.0/8")]))
    ('10.244.2.0/24',)
    >>> next(candidates([], [ipaddress.ip_network("fd00:10:244::/64")], (4, 6)))
    ('10.244.1.0/24', 'fd00:10:244:1::/64')
    """
    if asked:
        yield tuple(asked)
        return
    busy = in_range(taken)
    for subnets in zip(*(RANGES[one].subnets(new_prefix=LENGTHS[one]) for one in families), strict=True):
        if not any(subnet.overlaps(other) for subnet in subnets for other in busy):
            yield tuple(str(subnet) for subnet in subnets)


def describe_busy(taken: Iterable[AnyNetwork]) -> str:
    """Pure: what a node says of its machine's ways, for the nodes that join later.

    >>> describe_busy([ipaddress.ip_network(one) for one in ("10.244.3.0/24", "10.244.0.0/24", "0.0.0.0/0")])
    '10.244.0.0/24,10.244.3.0/24'
    """
    return ",".join(sorted({str(one) for one in in_range(taken)}))


def subnets_in_use(node: dict[str, Any]) -> list[AnyNetwork]:
    """Pure: what a new node's pods cannot have: the subnets of this node's pods, and what its machine has ways to.

    >>> node = {"metadata": {"annotations": {BUSY: "10.244.0.0/24"}}, "spec": {"podCIDRs": ["10.244.1.0/24"]}}
    >>> subnets_in_use(node)
    [IPv4Network('10.244.1.0/24'), IPv4Network('10.244.0.0/24')]
    """
    said = (node["metadata"].get("annotations") or {}).get(BUSY) or ""
    found = []
    for text in [*((node.get("spec") or {}).get("podCIDRs") or ()), *said.split(",")]:
        try:
            found.append(ipaddress.ip_network(text))
        except ValueError:
            continue  # anybody may write annotations
    return found


def describe_clash(subnets: Iterable[str], taken: Iterable[AnyNetwork]) -> str:
    """Pure: what is wrong with a subnet from before that this host has another way to by now; "" for nothing.

    >>> describe_clash(["10.244.0.0/24"], [ipaddress.ip_network("10.244.0.0/16")])[:72]
    "the subnet of this node's pods, 10.244.0.0/24, is another's meanwhile (a"
    >>> describe_clash(["10.244.0.0/24"], [ipaddress.ip_network("10.244.1.0/24"), ipaddress.ip_network("0.0.0.0/0")])
    ''

    A subnet's first address, by itself, is that of this node's own tunnel, which stays while no daemon runs:

    >>> describe_clash(["10.244.0.0/24"], [ipaddress.ip_network("10.244.0.0/32")])
    ''
    """
    busy = in_range(taken)
    for subnet in subnets:
        whole = ipaddress.ip_network(subnet)
        tunnel = ipaddress.ip_network(whole.network_address)
        other = next((other for other in busy if whole.overlaps(other) and other != tunnel), None)
        if other is not None:
            return (
                f"the subnet of this node's pods, {subnet}, is another's meanwhile (a route to {other} that is not "
                "ours): the pods of one of the two are not reached. End the other one, then start this one again; or "
                "make this node anew"
            )
    return ""


def describe_families(subnets: Sequence[str], families: Sequence[int]) -> str:
    """Pure: what is wrong where Services have other families than this node's pods, which keep those that they were
    made with; "" for nothing.

    >>> describe_families(["10.244.0.0/24"], (4, 6))[:69]
    'pods of this node have no IPv6 addresses, as it was made without them'
    >>> describe_families(["10.244.0.0/24", "fd00:10:244::/64"], (4,))
    ''
    """
    lacking = [version for version in families if version not in families_of(subnets)]
    if not lacking:
        return ""
    words = " and ".join(f"IPv{version}" for version in lacking)
    return (
        f"pods of this node have no {words} addresses, as it was made without them: Services of that family lead to "
        "none of its pods until the node is made anew (`corral reset`, then the settings from the start)"
    )


def subnets_of(network: Network, families: Sequence[int] = (4, 6)) -> tuple[str, ...]:
    """Pure: a network's subnets, in the order of families; those of no family that is named are last.

    >>> made = Network("4f2a", NetworkSpec(NAME), pools=[Pool("10.244.0.0/24"), Pool("fd00:10:244::/64")])
    >>> subnets_of(made, (6, 4))
    ('fd00:10:244::/64', '10.244.0.0/24')
    """
    return tuple(pool.subnet for pool in sorted(network.pools, key=lambda pool: _place(pool, families)))


def gateways_of(network: Network, families: Sequence[int] = (4, 6)) -> tuple[str, ...]:
    """Pure: this machine's addresses on a network's bridge, in the order of families.

    >>> made = Network("4f2a", NetworkSpec(NAME), pools=[Pool("10.244.0.0/24", "10.244.0.1")])
    >>> gateways_of(made, (6, 4))
    ('10.244.0.1',)
    """
    return tuple(pool.gateway for pool in sorted(network.pools, key=lambda pool: _place(pool, families)))


def _place(pool: Pool, families: Sequence[int]) -> int:
    version = ipaddress.ip_network(pool.subnet).version
    return list(families).index(version) if version in families else len(families)


async def ensure_network(
    engine: Engine, asked: Sequence[str], families: Sequence[int] = (4,), *, open: bool = False
) -> Network:
    """HostError where no subnets are free. It is a trunk: nodes on this machine reach its pods.

    `open`: whoever has a route to them does, as pods of nodes on other machines.
    """
    mode: GatewayMode = "open" if open else "nat"
    options = NetworkOptions(trunk=True, gateway4=mode, gateway6=mode)
    known = engine.networks.unlisted(NAME)
    if known is not None:
        if open and known.spec.options.gateway4 != "open":  # made before other machines could join
            known = await engine.networks.open_up(NAME)
        return known
    for subnets in candidates(asked, await engine.networks.taken(), families):
        try:
            return await engine.networks.create(plan_spec(subnets, options))
        except (Conflict, Forbidden):
            if asked:
                raise
    raise no_subnet("this node", families)


def plan_spec(subnets: Sequence[str], options: NetworkOptions) -> NetworkSpec:
    """
    >>> spec = plan_spec(["fd00:10:244::/64"], NetworkOptions(trunk=True))
    >>> spec.ipv4, spec.ipv6
    (False, True)
    """
    families = families_of(subnets)
    pools = [Pool(subnet) for subnet in subnets]
    return NetworkSpec(name=NAME, unlisted=True, ipv4=4 in families, ipv6=6 in families, pools=pools, options=options)


def no_subnet(node: str, families: Sequence[int]) -> HostError:
    """
    >>> no_subnet("this node", (4,)).message
    'no subnet of 10.244.0.0/16 is free for the pods of this node'
    """
    return HostError(f"no subnet of {' with one of '.join(ranges(families))} is free for the pods of {node}")
