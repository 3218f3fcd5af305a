"""Which addresses a Service of type LoadBalancer has. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.endpointslice.endpoints import family
from corral.cluster.controllers.nodelifecycle.health import readiness

EXCLUDED: Final = "node.kubernetes.io/exclude-from-external-load-balancers"


class NotOurs(Exception):
    """The Service asks for an address that no node has."""


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


def plan_ingress(service: Object, nodes: Iterable[Object], local: Iterable[str]) -> list[Object]:
    """`status.loadBalancer.ingress`. `local`: nodes with an endpoint, the only ones for externalTrafficPolicy Local.

    A node that is not ready stays out, unless none is. NotOurs.
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
    if asked:
        found = [one for one in found if one == asked]
    return [{"ip": one, "ipMode": "VIP"} for one in found]
