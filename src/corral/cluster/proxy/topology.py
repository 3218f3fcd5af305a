"""Which endpoints are near: by the hints that the EndpointSlices carry (`trafficDistribution`). Pure.

Follows upstream's pkg/proxy/topology.go: hints count only where every ready endpoint has them, and only as long as
somebody is near; else all endpoints serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

Object = dict[str, Any]


class Here(NamedTuple):
    """Where the proxy is. `zone` is "" where the node has none."""

    node: str
    zone: str = ""


class Hints(NamedTuple):
    """For whom an endpoint is near."""

    nodes: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()


def read_hints(endpoint: Object) -> Hints:
    """
    >>> read_hints({"hints": {"forZones": [{"name": "a"}]}}).zones, read_hints({}).nodes
    (frozenset({'a'}), frozenset())
    """
    said = endpoint.get("hints") or {}
    nodes, zones = (frozenset(one["name"] for one in said.get(key) or ()) for key in ("forNodes", "forZones"))
    return Hints(nodes, zones)


def plan_nearest(hints: Sequence[Hints], here: Here) -> list[bool]:
    """Which of the ready endpoints, of which these are the hints, serve those who call from here.

    >>> a, b = Hints(zones=frozenset("a")), Hints(zones=frozenset("b"))
    >>> plan_nearest([a, b], Here("n1", "a")), plan_nearest([a, b], Here("n1", "c"))
    ([True, False], [True, True])
    >>> plan_nearest([a, Hints()], Here("n1", "a"))
    [True, True]
    >>> plan_nearest([Hints(frozenset(["n1"])), Hints(frozenset(["n2"]))], Here("n2"))
    [False, True]
    """
    for near, given in (
        ([here.node in one.nodes for one in hints], [bool(one.nodes) for one in hints]),
        ([here.zone in one.zones for one in hints], [bool(one.zones) for one in hints]),
    ):
        if all(given) and any(near):
            return near
    return [True] * len(hints)
