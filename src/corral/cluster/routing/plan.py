"""Which subnet of pods is reached through which node. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

Object = dict[str, Any]
AnyAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


class Routes(NamedTuple):
    """`wanted`: subnet -> node's address. `unreached`: (node, address) of those on no network of this machine."""

    wanted: dict[AnyNetwork, AnyAddress]
    unreached: list[tuple[str, str]]


def plan_routes(nodes: Iterable[Object], own: str, links: Collection[AnyNetwork]) -> Routes:
    """`own` is this node's name, `links` the networks that this machine is on.

    >>> def node(name, address, subnet):
    ...     status = {"addresses": [{"type": "InternalIP", "address": address}]}
    ...     return {"metadata": {"name": name}, "spec": {"podCIDRs": [subnet]}, "status": status}
    >>> nodes = [node("a", "10.65.0.1", "10.244.0.0/24"), node("b", "10.65.0.3", "10.244.1.0/24")]
    >>> plan_routes(nodes, "a", [ipaddress.ip_network("10.65.0.0/16")])
    Routes(wanted={IPv4Network('10.244.1.0/24'): IPv4Address('10.65.0.3')}, unreached=[])
    >>> plan_routes(nodes, "a", [ipaddress.ip_network("192.0.2.0/24")]).unreached
    [('b', '10.65.0.3')]
    """
    wanted: dict[AnyNetwork, AnyAddress] = {}
    unreached = []
    for node in nodes:
        name = node["metadata"]["name"]
        subnets = [ipaddress.ip_network(one) for one in (node.get("spec") or {}).get("podCIDRs") or ()]
        addresses = internal_addresses(node)
        if name == own or not subnets or not addresses:
            continue
        for subnet in subnets:
            found = next((one for one in addresses if one.version == subnet.version and _on(one, links)), None)
            if found is not None:
                wanted[subnet] = found
            else:
                unreached.append((name, str(addresses[0])))
    return Routes(wanted, unreached)


def internal_addresses(node: Object) -> list[AnyAddress]:
    told = (node.get("status") or {}).get("addresses") or ()
    return [ipaddress.ip_address(one["address"]) for one in told if one["type"] == "InternalIP"]


def _on(address: AnyAddress, links: Collection[AnyNetwork]) -> bool:
    return any(address.version == link.version and address in link for link in links)
