"""The network of this node's pods: a bridge of the instance's own, that no list shows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from typing import Final

from corral.engine.engine import Engine
from corral.errors import Conflict, Forbidden, HostError
from corral.model.network import NetworkSpec, Pool

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


async def ensure_network(engine: Engine, asked: str) -> tuple[str, str]:
    """(its name, its subnet). HostError where no subnet is free."""
    known = engine.networks.unlisted(NAME)
    if known is not None:
        return NAME, known.pools[0].subnet
    for subnet in candidates(asked, await engine.networks.taken()):
        try:
            made = await engine.networks.create(NetworkSpec(name=NAME, unlisted=True, pools=[Pool(subnet)]))
            return NAME, made.pools[0].subnet
        except (Conflict, Forbidden):
            if asked:
                raise
    raise HostError(f"no subnet of {RANGE} is free for the pods of this node")
