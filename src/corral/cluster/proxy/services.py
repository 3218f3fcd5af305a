"""What Services and EndpointSlices come to: fronts, each an address and port with the endpoints behind it. Pure.

Follows upstream's proxy: ready endpoints serve; only where there are none do those that are terminating and still
serving. A Local traffic policy leaves the endpoints of this node alone; else hints say which are near (`topology`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import collapse_addresses, ip_address, ip_network
from typing import Any

from corral.cluster.proxy.topology import Here, Hints, plan_nearest, read_hints
from corral.model.kubernetes.labels import SLICE_MANAGED_BY

Object = dict[str, Any]

PROTOCOLS = {"TCP": 6, "UDP": 17, "SCTP": 132}
CONTROLLER = "endpointslice-controller.k8s.io"
_ELSEWHERE = ("service.kubernetes.io/service-proxy-name", "service.kubernetes.io/headless")
AFFINITY_SECONDS = 10800
_NOBODY = {4: "0.0.0.0/32", 6: "::/128"}


@dataclass(frozen=True)
class Target:
    """One endpoint's port."""

    address: str
    port: int


@lru_cache(1 << 16)  # a slice of a thousand endpoints is read again for each one that changes
def parsed(address: str) -> tuple[bytes, str]:
    """An address as it sorts, and as it is written.

    >>> parsed("fd00:0::2")[1]
    'fd00::2'
    """
    found = ip_address(address)
    return found.packed, str(found)


@dataclass(frozen=True)
class Front:
    """Where a service is reached. `address` "" is every address of the node (a node port), in family `version`.

    `near`: the endpoints for who comes from outside, None where those are the same. `masked`: senders are not seen.
    `own`: a cluster IP, which nothing else has. `refused`: without targets the sender is told (else: silence).
    """

    address: str
    version: int
    protocol: int
    port: int
    targets: tuple[Target, ...]
    near: tuple[Target, ...] | None = None
    masked: bool = False
    own: bool = False
    refused: bool = True
    affinity: int = 0
    sources: tuple[str, ...] = ()


def is_served(service: Object) -> bool:
    """Whether the proxy has to do with it: not with headless ones, names, and those of another proxy.

    >>> is_served({"metadata": {}, "spec": {"clusterIP": "10.96.0.7"}}), is_served({"metadata": {}, "spec": {}})
    (True, False)
    """
    spec = service["spec"]
    labels = service["metadata"].get("labels") or {}
    if spec.get("type") == "ExternalName" or any(label in labels for label in _ELSEWHERE):
        return False
    return spec.get("clusterIP", "") not in ("", "None")


def plan_fronts(service: Object, slices: Iterable[Object], node: str, zone: str = "") -> list[Front]:
    """All fronts of a service on this node, which is in that zone.

    >>> service = {"metadata": {}, "spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 80, "protocol": "TCP"}]}}
    >>> ends = [{"addresses": ["10.1.0.2"]}, {"addresses": ["10.1.0.3"], "conditions": {"ready": False}}]
    >>> piece = {"addressType": "IPv4", "ports": [{"port": 8080, "protocol": "TCP"}], "endpoints": ends}
    >>> [front] = plan_fronts(service, [piece], "n1")
    >>> front.address, front.port, front.targets, front.own
    ('10.96.0.7', 80, (Target(address='10.1.0.2', port=8080),), True)
    """
    if not is_served(service):
        return []
    pieces = list(slices)
    found: list[Front] = []
    for port in service["spec"].get("ports", ()):
        for version in _versions(service):
            found += _port_fronts(service, port, version, _endpoints(pieces, port, version), Here(node, zone))
    return found


def _versions(service: Object) -> list[int]:
    return list(dict.fromkeys(ip_address(text).version for text in cluster_ips(service)))


def cluster_ips(service: Object) -> list[str]:
    """
    >>> cluster_ips({"spec": {"clusterIP": "10.96.0.7"}}), cluster_ips({"spec": {"clusterIP": "None"}})
    (['10.96.0.7'], [])
    """
    spec = service["spec"]
    found = spec.get("clusterIPs") or [spec.get("clusterIP", "")]
    return [text for text in found if text not in ("", "None")]


@dataclass(frozen=True)
class _End:
    target: Target
    ready: bool
    lingering: bool  # terminating, and still serving
    node: str
    hints: Hints


def _endpoints(pieces: Sequence[Object], port: Object, version: int) -> list[_End]:
    """The endpoints of a service's port, each once, in the order of their addresses."""
    found: dict[Target, _End] = {}
    for piece in pieces:
        if piece.get("addressType") != f"IPv{version}":
            continue
        for number in _numbers(piece, port):
            for end in piece.get("endpoints") or ():
                one = _end(end, number)
                if one is not None and (one.target not in found or one.ready):
                    found[one.target] = one
    return [found[target] for target in sorted(found, key=lambda t: (parsed(t.address)[0], t.port))]


def _numbers(piece: Object, port: Object) -> list[int]:
    wanted = (port.get("name") or "", port.get("protocol", "TCP"))
    ports = piece.get("ports") or ()
    return [p["port"] for p in ports if p.get("port") and (p.get("name") or "", p.get("protocol", "TCP")) == wanted]


def _end(end: Object, number: int) -> _End | None:
    addresses = end.get("addresses") or ()
    if not addresses:
        return None
    said = end.get("conditions") or {}
    ready = said.get("ready") is not False
    serving = ready if said.get("serving") is None else bool(said["serving"])
    lingering = bool(said.get("terminating")) and serving
    return _End(Target(parsed(addresses[0])[1], number), ready, lingering, end.get("nodeName") or "", read_hints(end))


def _eligible(ends: Iterable[_End]) -> tuple[Target, ...]:
    every = list(ends)
    return tuple(e.target for e in every if e.ready) or tuple(e.target for e in every if e.lingering)


def _nearest(ends: Iterable[_End], here: Here) -> tuple[Target, ...]:
    """As `_eligible`, but of the ready ones those that are near, where any are."""
    every = list(ends)
    ready = [one for one in every if one.ready]
    near = plan_nearest([one.hints for one in ready], here)
    return tuple(one.target for one, serves in zip(ready, near, strict=True) if serves) or _eligible(every)


def _port_fronts(service: Object, port: Object, version: int, ends: list[_End], here: Here) -> list[Front]:
    spec = service["spec"]
    every = _nearest(ends, here)
    local = _eligible(e for e in ends if e.node == here.node)
    inner = local if spec.get("internalTrafficPolicy") == "Local" else every
    only_local = spec.get("externalTrafficPolicy") == "Local"
    number, protocol = port["port"], PROTOCOLS[port.get("protocol", "TCP")]
    own = Front("", version, protocol, number, inner, own=True, refused=bool(inner or not every))
    outer = Front("", version, protocol, number, every, near=local if only_local else None, masked=not only_local)
    found = [replace(own, address=address) for address in _of(version, cluster_ips(service))]
    sources = plan_sources(service, version)
    found += [replace(outer, address=address, sources=sources) for address in _of(version, balancer_ips(service))]
    found += [replace(outer, address=address) for address in _of(version, spec.get("externalIPs") or ())]
    if port.get("nodePort") and spec.get("type") in ("NodePort", "LoadBalancer"):
        found.append(replace(outer, port=port["nodePort"]))
    affinity = affinity_seconds(service)
    return [replace(front, affinity=affinity) for front in found]


def plan_sources(service: Object, version: int) -> tuple[str, ...]:
    """From where a load balancer's addresses may be called; () for from everywhere.

    >>> plan_sources({"spec": {"loadBalancerSourceRanges": ["10.0.0.0/9", "10.128.0.0/9"]}}, 4)
    ('10.0.0.0/8',)
    >>> plan_sources({"spec": {"loadBalancerSourceRanges": ["10.0.0.0/9"]}}, 6)  # nobody of this family
    ('::/128',)
    """
    said = [ip_network(text.strip(), strict=False) for text in service["spec"].get("loadBalancerSourceRanges") or ()]
    if not said:
        return ()
    found = collapse_addresses(n for n in said if n.version == version)  # type: ignore[type-var]
    return tuple(map(str, found)) or (_NOBODY[version],)


def balancer_ips(service: Object) -> list[str]:
    """The addresses that a load balancer sends to as they are; not those of one that is a proxy itself.

    Its cluster IP is led as that is, though a load balancer names it too.
    """
    if service["spec"].get("type") != "LoadBalancer":
        return []
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    found = [one["ip"] for one in ingress if one.get("ip") and one.get("ipMode", "VIP") == "VIP"]
    return [one for one in found if one not in cluster_ips(service)]


def affinity_seconds(service: Object) -> int:
    """How long a client is led to the same endpoint; 0: each connection by itself.

    >>> affinity_seconds({"spec": {"sessionAffinity": "ClientIP"}}), affinity_seconds({"spec": {}})
    (10800, 0)
    """
    spec = service["spec"]
    if spec.get("sessionAffinity") != "ClientIP":
        return 0
    said = ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds")
    return int(said or AFFINITY_SECONDS)


def health_port(service: Object) -> int:
    """The port where a load balancer asks whether this node has endpoints; 0 where nobody asks."""
    spec = service["spec"]
    asked = spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"
    return int(spec.get("healthCheckNodePort") or 0) if asked and is_served(service) else 0


def plan_local(slices: Iterable[Object], node: str) -> list[str]:
    """The ready endpoints on this node, by address: what a health check is told of, and who may call itself."""
    found = set()
    for piece in slices:
        for end in piece.get("endpoints") or ():
            ready = (end.get("conditions") or {}).get("ready") is not False
            if end.get("nodeName") == node and ready and piece.get("addressType") in ("IPv4", "IPv6"):
                found.add(parsed(end["addresses"][0])[1])
    return sorted(found)


def targets_of(fronts: Iterable[Front]) -> set[str]:
    """The addresses that they lead to."""
    found = (targets for front in fronts for targets in (front.targets, front.near or ()))
    return {one.address for some in found for one in some}


def plan_leaving(slices: Iterable[Object]) -> list[str]:
    """The endpoints that are terminating, by address; a service may lead to them yet, if it has no others. Of those in
    slices that somebody else writes it is not known: nobody is to wait until they are said to be.

    >>> leaving = {"addresses": ["10.1.0.2"], "conditions": {"ready": False, "serving": True, "terminating": True}}
    >>> labels = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}
    >>> ours = {"addressType": "IPv4", "endpoints": [leaving, {"addresses": ["10.1.0.3"]}]}
    >>> other = {"addressType": "IPv4", "endpoints": [{"addresses": ["10.1.0.4"]}], "metadata": {}}
    >>> plan_leaving([{**ours, "metadata": {"labels": labels}}, other])
    ['10.1.0.2', '10.1.0.4']
    """
    ends = [
        (end, (piece["metadata"].get("labels") or {}).get(SLICE_MANAGED_BY) == CONTROLLER)
        for piece in slices
        if piece.get("addressType") in ("IPv4", "IPv6")
        for end in piece.get("endpoints") or ()
        if end.get("addresses")
    ]
    stays = [known and not (end.get("conditions") or {}).get("terminating") for end, known in ends]
    if all(stays):
        return []
    addresses = [parsed(end["addresses"][0])[1] for end, _ in ends]
    staying = {address for address, one in zip(addresses, stays, strict=True) if one}
    return sorted(set(addresses) - staying)


def _of(version: int, addresses: Iterable[str]) -> list[str]:
    return [str(ip_address(text)) for text in addresses if ip_address(text).version == version]
