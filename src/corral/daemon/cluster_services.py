"""Which addresses the Services of a cluster have: those it was made with, whatever a server is told later.

The name server's address, the Service `kubernetes` and the families of pods follow from them, so servers over one store
that differ would each speak of another name server, and only one of these would be there. Follows upstream's
kubernetes-service-cidr-controller, which keeps the ServiceCIDR `kubernetes` as it finds it, but lets a second family
come.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from corral.errors import Conflict

if TYPE_CHECKING:
    from corral.store.interface import Store

    Network = ipaddress.IPv4Network | ipaddress.IPv6Network

log = logging.getLogger("corral.daemon")

NAME = "kubernetes"


def plan_services(asked: Sequence[Network], given: bool, stored: Sequence[Network]) -> tuple[tuple[Network, ...], str]:
    """Pure: the subnets, and what is wrong with those that were asked for, "" for nothing. `given`: whether somebody
    named them; `stored`: as the cluster has them, none for one that is about to be made.

    >>> four, six = ipaddress.ip_network("10.96.0.0/12"), ipaddress.ip_network("fd00::/112")
    >>> plan_services([four], False, [six]), plan_services([four, six], True, [four])[0] == (four, six)
    (((IPv6Network('fd00::/112'),), ''), True)
    >>> plan_services([six], True, [four])[1][:76]
    'kubernetes-service-subnet [fd00::/112]: the default ServiceCIDR [10.96.0.0/1'
    """
    if not stored or tuple(asked) == tuple(stored) or is_second(asked, stored):
        return tuple(asked), ""
    words, has = (f"[{' '.join(map(str, networks))}]" for networks in (asked, stored))
    problem = (
        f"kubernetes-service-subnet {words}: the default ServiceCIDR {has} does not match, and stays: give that, or "
        f"make the cluster anew"
    )
    return tuple(stored), problem if given else ""


def is_second(asked: Sequence[Network], stored: Sequence[Network]) -> bool:
    """Pure: whether a second family is to come, and nothing else changes."""
    return len(stored) == 1 and len(asked) == 2 and asked[0] == stored[0]


async def find_services(store: Store, asked: Sequence[Network], given: bool) -> tuple[Network, ...]:
    """As the store has them, else those that are asked for."""
    networks, problem = plan_services(asked, given, await read_services(store))
    if problem:
        log.warning("%s", problem)
    return networks


async def read_services(store: Store) -> tuple[Network, ...]:
    """Of the ServiceCIDR `kubernetes`; none where there is none yet."""
    from corral.cluster.apiserver.caching.item import resource_prefix

    key = f"{resource_prefix('networking.k8s.io', 'servicecidrs')}/{NAME}"
    entries = [entry for entry in (await store.range(key)).entries if entry.key == key]
    return (
        tuple(ipaddress.ip_network(one) for one in msgspec.json.decode(entries[0].value)["spec"]["cidrs"])
        if entries
        else ()
    )


async def check_services(store: Store, networks: Sequence[Network]) -> None:
    """After the start: Conflict where another server, begun at the same moment, has made the cluster otherwise."""
    stored = await read_services(store)
    if stored[: len(networks)] != tuple(networks)[: len(stored)]:
        has = " ".join(map(str, stored))
        raise Conflict(
            f"the Services of this cluster have just been given {has} by another server; start this one again"
        )
