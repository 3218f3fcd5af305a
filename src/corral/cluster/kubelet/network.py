"""The network of this node's pods: a bridge of the instance's own, that no list shows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

from corral.engine.engine import Engine
from corral.errors import Conflict, Forbidden, HostError
from corral.model.network import NetworkOptions, NetworkSpec, Pool

AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

NAME: Final = ".pods"
RANGE: Final = "10.244.0.0/16"


def candidates(asked: str, taken: Iterable[AnyNetwork]) -> Iterator[str]:
    """Pure: the subnets to try: the one that is asked for, else those of a range that nobody here has a route to.

    >>> next(candidates("", [ipaddress.ip_network("10.244.0.0/23")]))
    '10.244.2.0/24'
    """
    if asked:
        yield asked
        return
    busy = [other for other in taken if other.version == 4 and other.prefixlen]
    for subnet in ipaddress.IPv4Network(RANGE).subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in busy):
            yield str(subnet)


def describe_clash(subnet: str, taken: Iterable[AnyNetwork]) -> str:
    """Pure: what is wrong with a subnet from before that this host has another way to by now; "" for nothing.

    >>> describe_clash("10.244.0.0/24", [ipaddress.ip_network("10.244.0.0/16")])[:72]
    "the subnet of this node's pods, 10.244.0.0/24, is another's meanwhile (a"
    >>> describe_clash("10.244.0.0/24", [ipaddress.ip_network("10.244.1.0/24"), ipaddress.ip_network("0.0.0.0/0")])
    ''
    """
    mine = ipaddress.ip_network(subnet)
    busy = (other for other in taken if other.version == mine.version and other.prefixlen)
    other = next((other for other in busy if mine.overlaps(other)), None)
    if other is None:
        return ""
    return (
        f"the subnet of this node's pods, {subnet}, is another's meanwhile (a route to {other} that is not ours): the "
        "pods of one of the two are not reached. End the other one, then start this one again; or make this node anew"
    )


async def ensure_network(engine: Engine, asked: str, *, open: bool = False) -> tuple[str, str]:
    """(its name, its subnet). HostError where no subnet is free. It is a trunk: nodes on this machine reach its pods.

    `open`: whoever has a route to them does, as pods of nodes on other machines.
    """
    options = NetworkOptions(trunk=True, gateway4="open" if open else "nat")
    known = engine.networks.unlisted(NAME)
    if known is not None:
        return NAME, known.pools[0].subnet
    for subnet in candidates(asked, await engine.networks.taken()):
        try:
            made = await engine.networks.create(
                NetworkSpec(name=NAME, unlisted=True, pools=[Pool(subnet)], options=options)
            )
            return NAME, made.pools[0].subnet
        except (Conflict, Forbidden):
            if asked:
                raise
    raise HostError(f"no subnet of {RANGE} is free for the pods of this node")
