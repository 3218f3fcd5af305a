"""Which subnet of pods is reached through which node, and how. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from corral.model.kubernetes.addresses import parse_ip, pod_subnets

Object = dict[str, Any]
AnyAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
AnyNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Way = tuple[AnyAddress | None, int]  # (gateway, interface)


class Far(NamedTuple):
    """A node at the other end of the tunnel: its address, and its pods' first subnet, which its end is named by."""

    address: AnyAddress
    first: AnyNetwork


class Routes(NamedTuple):
    """`wanted`: subnet -> address of a node on a network that this machine is on, too. `tunnelled`: subnet -> a node
    that is somewhere else. `unreached`: (node, address) of those that neither way leads to.
    """

    wanted: dict[AnyNetwork, AnyAddress]
    tunnelled: dict[AnyNetwork, Far]
    unreached: list[tuple[str, str]]


def plan_routes(
    nodes: Iterable[Object], own: str, mine: Collection[AnyAddress], links: Collection[AnyNetwork]
) -> Routes:
    """`own` is this node's name, `mine` are its addresses as others know them, `links` the networks that this machine
    is on.

    A network counts where both nodes say that they are on it: so both find the same way. It leads to subnets of its own
    family only; the tunnel carries both, on the one family that `tunnel_version` says.

    >>> def node(name, address, subnet):
    ...     status = {"addresses": [{"type": "InternalIP", "address": address}]}
    ...     return {"metadata": {"name": name}, "spec": {"podCIDRs": [subnet]}, "status": status}
    >>> nodes = [node("a", "10.65.0.1", "10.244.0.0/24"), node("b", "10.65.0.3", "10.244.1.0/24")]
    >>> mine, links = [ipaddress.ip_address("10.65.0.1")], [ipaddress.ip_network("10.65.0.0/16")]
    >>> plan_routes(nodes, "a", mine, links).wanted
    {IPv4Network('10.244.1.0/24'): IPv4Address('10.65.0.3')}
    >>> plan_routes(nodes, "a", mine, [ipaddress.ip_network("10.65.0.0/31")]).tunnelled
    {IPv4Network('10.244.1.0/24'): Far(address=IPv4Address('10.65.0.3'), first=IPv4Network('10.244.1.0/24'))}
    """
    wanted: dict[AnyNetwork, AnyAddress] = {}
    tunnelled: dict[AnyNetwork, Far] = {}
    unreached: list[tuple[str, str]] = []
    below = tunnel_version(mine)
    shared = [link for link in links if any(_in(one, link) for one in mine)]
    for node in nodes:
        name = node["metadata"]["name"]
        subnets = pod_subnets(node)
        addresses = internal_addresses(node)
        if name == own or not subnets or not addresses:
            continue
        far = next((one for one in addresses if one.version == below and not one.is_loopback), None)
        for subnet in subnets:
            same = [one for one in addresses if one.version == subnet.version]
            found = next((one for one in same if any(_in(one, link) for link in shared)), None)
            if found is not None:
                wanted[subnet] = found
            elif far is not None:
                tunnelled[subnet] = Far(far, subnets[0])
            elif (name, str(addresses[0])) not in unreached:
                unreached.append((name, str(addresses[0])))
    return Routes(wanted, tunnelled, unreached)


def tunnel_version(mine: Iterable[AnyAddress]) -> int:
    """The family of the network that the tunnel goes through: IPv4, but for nodes that have IPv6 alone.

    >>> tunnel_version([ipaddress.ip_address("2001:db8::7"), ipaddress.ip_address("10.0.0.7")])
    4
    """
    return min((one.version for one in mine), default=4)


class Changes(NamedTuple):
    """`stale` go, `changed` take the place of ours, `missing` are new; `foreign` are in the way, and not ours."""

    stale: dict[AnyNetwork, AnyAddress]
    changed: dict[AnyNetwork, AnyAddress]
    missing: dict[AnyNetwork, AnyAddress]
    foreign: dict[AnyNetwork, Way]


def plan_changes(
    present: Mapping[AnyNetwork, Way],
    made: Mapping[AnyNetwork, AnyAddress],
    wanted: Mapping[AnyNetwork, AnyAddress],
    tunnel: int,
) -> Changes:
    """What makes the routes of the machine those that are wanted, without touching another's.

    Ours are those that we made, as long as they lead where we let them, and what leads into our `tunnel` (its
    interface's index, or 0).

    >>> net, at = ipaddress.ip_network, ipaddress.ip_address
    >>> one, two = net("10.244.1.0/24"), net("10.244.2.0/24")
    >>> present = {one: (at("10.65.0.3"), 4), two: (at("10.66.0.9"), 5)}
    >>> found = plan_changes(present, {one: at("10.65.0.3")}, {one: at("10.65.0.7"), two: at("10.65.0.8")}, 0)
    >>> found.changed, list(found.foreign)
    ({IPv4Network('10.244.1.0/24'): IPv4Address('10.65.0.7')}, [IPv4Network('10.244.2.0/24')])
    """
    found = Changes({}, {}, {}, {})
    for subnet, gateway in made.items():
        if subnet not in wanted and subnet in present and present[subnet][0] == gateway:
            found.stale[subnet] = gateway
    for subnet, gateway in wanted.items():
        way = present.get(subnet)
        if way is None:
            found.missing[subnet] = gateway
        elif way[0] == gateway:
            continue
        elif (tunnel and way[1] == tunnel) or (way[0] is not None and made.get(subnet) == way[0]):
            found.changed[subnet] = gateway
        else:
            found.foreign[subnet] = way
    return found


def internal_addresses(node: Object) -> list[AnyAddress]:
    """What is no address is left out: the API takes any text, and the routes to all other nodes are to go on.

    >>> internal_addresses({"status": {"addresses": [{"type": "InternalIP", "address": "box"}]}})
    []
    """
    told = (node.get("status") or {}).get("addresses") or ()
    found = [parse_ip(one["address"]) for one in told if one["type"] == "InternalIP"]
    return [one for one in found if one is not None]


def _in(address: AnyAddress, link: AnyNetwork) -> bool:
    return address.version == link.version and address in link
