"""Which connections and clients are forgotten after a change. Pure.

A UDP sender that never pauses stays with the endpoint that it was first led to, and a client that is remembered comes
back to its own, whether that is still there or not.
"""

from __future__ import annotations

from typing import NamedTuple

from corral.cluster.proxy import marks
from corral.cluster.proxy.ledger import Change

_UDP = 17
_SOME = int(marks.COUNT)


class Flow(NamedTuple):
    """UDP flows that began towards this address (0.0.0.0 or ::, all) and port, and were led to `led_to`."""

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
