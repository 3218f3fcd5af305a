"""Which addresses a Service of type LoadBalancer has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.endpointslice.endpoints import family
from corral.cluster.controllers.nodelifecycle.health import readiness

EXCLUDED: Final = "node.kubernetes.io/exclude-from-external-load-balancers"


class NotOurs(Exception):
    """The Service asks for an address that no node has, or that another Service has at the same port."""


class Plan(NamedTuple):
    ingress: list[Object]  # `status.loadBalancer.ingress`
    holder: str = ""  # who has its port at every node's address: then it is reached at its own cluster addresses


def is_ours(service: Object | None) -> bool:
    """Whether this load balancer serves it: one with a class is another's."""
    if service is None or meta.deleting(service):
        return False
    spec = service["spec"]
    return spec.get("type") == "LoadBalancer" and not spec.get("loadBalancerClass")


def node_addresses(node: Object) -> list[str]:
    """Where a node is reached from outside; from inside where it has no other. Of each family one.

    >>> node = {"status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": "a"}]}}
    >>> node_addresses(node)
    ['192.0.2.1']
    """  # noqa: E501
    found: dict[str, str] = {}
    for kind in ("ExternalIP", "InternalIP"):
        for one in (node.get("status") or {}).get("addresses") or ():
            if one["type"] == kind:
                found.setdefault(family(one["address"]), one["address"])
    return [found[kind] for kind in sorted(found)]


def wanted_ports(service: Object) -> list[str]:
    """
    >>> wanted_ports({"spec": {"ports": [{"port": 80}, {"port": 53, "protocol": "UDP"}]}})
    ['80/TCP', '53/UDP']
    """
    return [f"{one['port']}/{one.get('protocol', 'TCP')}" for one in service["spec"].get("ports") or ()]


def held_addresses(service: Object) -> list[str]:
    """
    >>> held_addresses({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}), held_addresses({})
    (['192.0.2.1'], [])
    """
    ingress = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or ()
    return [one["ip"] for one in ingress if one.get("ip")]


def plan_taken(service: Object, rivals: Iterable[Object]) -> dict[str, str]:
    """At which addresses others have a port of this Service: address -> who. Of two that have it, the older keeps it.

    >>> def at(name, made, *held):
    ...     status = {"loadBalancer": {"ingress": [{"ip": one} for one in held]}}
    ...     known = {"name": name, "namespace": "a", "uid": name, "creationTimestamp": made}
    ...     return {"metadata": known, "status": status}
    >>> plan_taken(at("new", "2026-01-02"), [at("old", "2026-01-01", "192.0.2.1"), at("none", "2026-01-01")])
    {'192.0.2.1': 'a/old'}
    >>> plan_taken(at("old", "2026-01-01", "192.0.2.1"), [at("new", "2026-01-02", "192.0.2.1")])
    {}
    """
    mine, held = _age(service), set(held_addresses(service))
    found: dict[str, str] = {}
    for rival in rivals:
        for address in held_addresses(rival):
            if _age(rival) != mine and (address not in held or _age(rival) < mine):
                found[address] = meta.key(rival)
    return found


def _age(service: Object) -> tuple[str, str]:
    return service["metadata"].get("creationTimestamp") or "", service["metadata"].get("uid") or ""


def plan_ingress(
    service: Object, nodes: Iterable[Object], local: Iterable[str], taken: Mapping[str, str] = MappingProxyType({})
) -> Plan:
    """Where it is reached. `local`: nodes with an endpoint, the only ones for externalTrafficPolicy Local.

    A node that is not ready stays out, unless none is. Of addresses that are `taken` another would answer: what is left
    without them are the other nodes, and where all are taken the Service's own addresses, which it shares with nobody.
    NotOurs.
    """
    spec = service["spec"]
    families = spec.get("ipFamilies") or ["IPv4"]
    able = [one for one in nodes if EXCLUDED not in (one["metadata"].get("labels") or {}) and not meta.deleting(one)]
    ready = [one for one in able if readiness(one) == "True"] or able
    if spec.get("externalTrafficPolicy") == "Local":
        names = set(local)
        ready = [one for one in ready if meta.name(one) in names]
    found = [address for one in sorted(ready, key=meta.name) for address in node_addresses(one)]
    found = [one for one in dict.fromkeys(found) if family(one) in families]
    asked = spec.get("loadBalancerIP")
    if asked and asked not in {address for one in able for address in node_addresses(one)}:
        raise NotOurs(f"failed to ensure load balancer: no node has the address {asked}")
    if asked and asked in taken:
        raise NotOurs(f"failed to ensure load balancer: the port at {asked} is that of {taken[asked]}")
    if asked:
        found = [one for one in found if one == asked]
    free = [one for one in found if one not in taken]
    holder = taken[found[0]] if found and not free else ""
    own = (spec.get("clusterIPs") or [spec["clusterIP"]]) if holder else []
    return Plan([{"ip": one, "ipMode": "VIP"} for one in own or free], holder)
