"""The network of this node's pods: a bridge of the instance's own, that no list shows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Any, Final

from corral.engine.engine import Engine
from corral.errors import Conflict, Forbidden, HostError
from corral.model.network import NetworkOptions, NetworkSpec, Pool

AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

NAME: Final = ".pods"
RANGE: Final = "10.244.0.0/16"
BUSY: Final = (
    "corral.dev/busy-subnets"  # the annotation by which a node says what of the range its machine has a way to
)


def in_range(taken: Iterable[AnyNetwork]) -> list[AnyNetwork]:
    """Pure: those in the range of pods. A wider way, as a VPN has to all of 10.0.0.0/8, bears a narrower beside it.

    >>> in_range([ipaddress.ip_network(one) for one in ("10.0.0.0/8", "10.244.3.0/24", "192.168.1.0/24")])
    [IPv4Network('10.244.3.0/24')]
    """
    whole = ipaddress.IPv4Network(RANGE)
    return [one for one in taken if one.version == 4 and one.prefixlen >= whole.prefixlen and one.overlaps(whole)]


def candidates(asked: str, taken: Iterable[AnyNetwork]) -> Iterator[str]:
    """Pure: the subnets to try: the one that is asked for, else those of a range that nobody here has a route to.

    >>> next(candidates("", [ipaddress.ip_network("10.244.0.0/23"), ipaddress.ip_network("10.0.0.0/8")]))
    '10.244.2.0/24'
    """
    if asked:
        yield asked
        return
    busy = in_range(taken)
    for subnet in ipaddress.IPv4Network(RANGE).subnets(new_prefix=24):
        if not any(subnet.overlaps(other) for other in busy):
            yield str(subnet)


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


def describe_clash(subnet: str, taken: Iterable[AnyNetwork]) -> str:
    """Pure: what is wrong with a subnet from before that this host has another way to by now; "" for nothing.

    >>> describe_clash("10.244.0.0/24", [ipaddress.ip_network("10.244.0.0/16")])[:72]
    "the subnet of this node's pods, 10.244.0.0/24, is another's meanwhile (a"
    >>> describe_clash("10.244.0.0/24", [ipaddress.ip_network("10.244.1.0/24"), ipaddress.ip_network("0.0.0.0/0")])
    ''
    """
    mine = ipaddress.ip_network(subnet)
    other = next((other for other in in_range(taken) if mine.overlaps(other)), None)
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
        if open and known.spec.options.gateway4 != "open":  # made before other machines could join
            known = await engine.networks.open_up(NAME)
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
