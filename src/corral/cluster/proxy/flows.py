"""Which connections and clients are forgotten after a change, and when pods have gone. Pure.

A UDP sender that never pauses stays with the endpoint that it was first led to, and a client that is remembered comes
back to its own, whether that is still there or not.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

from corral.cluster.client.protocol import Object
from corral.cluster.proxy import marks
from corral.cluster.proxy.ledger import Change

Network = IPv4Network | IPv6Network

_TCP, _UDP = 6, 17
_SOME = int(marks.COUNT)


class Flow(NamedTuple):
    """Flows that began towards this address (0.0.0.0 or ::, all) and port, and were led to `led_to`."""

    host_ip: str
    port: int
    led_to: str


class Lost(NamedTuple):
    """An endpoint that a front has no more. `front`: "address . protocol . port", without the address a node port's."""

    front: str
    target: str


def plan_lost(change: Change) -> set[Lost]:
    """
    >>> gone = {("ends4", "10.96.0.1 . 17 . 53 . 0:0"): "10.1.0.2 . 53", ("ends4", "10.96.0.1 . 17 . 53 . 0:1"): "b"}
    >>> plan_lost(Change(gone, {("ends4", "10.96.0.1 . 17 . 53 . 0:0"): "b"}))
    {Lost(front='10.96.0.1 . 17 . 53', target='10.1.0.2 . 53')}
    """
    gone, come = (
        {Lost(key.rpartition(" . ")[0], value) for (name, key), value in entries.items() if "ends" in name}
        for entries in (change.gone, change.come)
    )
    return gone - come


def plan_flows(change: Change) -> set[Flow]:
    """The UDP flows to endpoints that are lost, and those to a front that had none so far.

    >>> plan_flows(Change({("door_ends4", "17 . 30053 . 0:0"): "10.1.0.2 . 53"}, {}))
    {Flow(host_ip='0.0.0.0', port=30053, led_to='10.1.0.2')}
    >>> plan_flows(Change({}, {("heads4", "10.96.0.1 . 17 . 53"): "0xc1000001"}))
    {Flow(host_ip='10.96.0.1', port=53, led_to='10.96.0.1')}
    """
    found = set()
    for front, target in plan_lost(change):
        *address, protocol, port = front.split(" . ")
        everywhere = "::" if ":" in target else "0.0.0.0"
        if int(protocol) == _UDP:
            found.add(Flow(address[0] if address else everywhere, int(port), target.partition(" . ")[0]))
    for (name, key), value in change.come.items():
        if name in ("heads4", "heads6") and int(value, 16) & _SOME:
            before = change.gone.get((name, key), "0")
            address_text, protocol, port = key.split(" . ")
            if int(protocol) == _UDP and not int(before, 16) & _SOME:
                found.add(Flow(address_text, int(port), address_text))
    return found


def plan_unanswered(change: Change) -> dict[tuple[str, int], set[str]]:
    """By address and port the endpoints that TCP connections are led to no more: who gets no answer there is to be led
    elsewhere with the next try.

    >>> plan_unanswered(Change({("ends4", "10.96.0.1 . 6 . 80 . 0:0"): "10.1.0.2 . 8080"}, {}))
    {('10.96.0.1', 80): {'10.1.0.2'}}
    """
    found: dict[tuple[str, int], set[str]] = {}
    for front, target in plan_lost(change):
        *address, protocol, port = front.split(" . ")
        if int(protocol) == _TCP:
            everywhere = "::" if ":" in target else "0.0.0.0"
            place = (address[0] if address else everywhere, int(port))
            found.setdefault(place, set()).add(target.partition(" . ")[0])
    return found


def plan_forgotten(lost: set[Lost], sticky: list[tuple[str, str]]) -> list[str]:
    """Of the remembered clients, as (key, target), the keys of those whose endpoint is lost.

    >>> lost = {Lost("10.96.0.1 . 6 . 80", "10.1.0.2 . 8080")}
    >>> key = "10.1.0.9 . 10.96.0.1 . 6 . 80"
    >>> plan_forgotten(lost, [(key, "10.1.0.2 . 8080"), (key, "10.1.0.3 . 8080")])
    ['10.1.0.9 . 10.96.0.1 . 6 . 80']
    """
    found = []
    for key, target in sticky:
        _, address, protocol, port = key.split(" . ")
        if Lost(f"{address} . {protocol} . {port}", target) in lost or Lost(f"{protocol} . {port}", target) in lost:
            found.append(key)
    return found


def addresses_of(pod: Object) -> list[str]:
    """Those that are a pod's own, and nobody's when it is gone.

    >>> status = {"podIP": "10.244.0.2", "podIPs": [{"ip": "10.244.0.2"}, {"ip": "fd00::2"}]}
    >>> addresses_of({"spec": {}, "status": status}), addresses_of({"spec": {"hostNetwork": True}, "status": status})
    (['10.244.0.2', 'fd00::2'], [])
    """
    status = pod.get("status") or {}
    if (pod.get("spec") or {}).get("hostNetwork"):
        return []
    return [one["ip"] for one in status.get("podIPs") or () if one.get("ip")]


def addresses_in(piece: Object, is_there: Callable[[str], bool]) -> list[str]:
    """Those of an EndpointSlice, but for pods that have gone. `is_there`: whether there is a pod of that uid.

    >>> ends = [{"addresses": [f"10.244.0.{n}"], "targetRef": {"kind": "Pod", "uid": f"u{n}"}} for n in (2, 3)]
    >>> addresses_in({"endpoints": [{"addresses": ["10.244.0.1"]}, *ends]}, {"u3"}.__contains__)
    ['10.244.0.1', '10.244.0.3']
    """
    targets = ((end, end.get("targetRef") or {}) for end in piece.get("endpoints") or ())
    there = (end for end, one in targets if one.get("kind") != "Pod" or is_there(one.get("uid") or ""))
    return [address for end in there for address in end["addresses"]]


def is_left(address: str, subnets: Sequence[Network], taken: Container[str]) -> bool:
    """Whether it is one of pods', in the `subnets` of nodes, that nobody has.

    >>> subnets = [IPv4Network("10.244.0.0/24")]
    >>> [is_left(one, subnets, {"10.244.0.1"}) for one in ("10.244.0.1", "10.244.0.9", "192.0.2.1", "fd00::1")]
    [False, True, False, False]
    """
    return address not in taken and any(ip_address(address) in subnet for subnet in subnets)
