"""Addresses and ports of Services: given when a Service is written, and claimed in the same commit.

An address is claimed by an IPAddress object of its name, a port by a key of its own. The store makes both exist at most
once, so no two Services ever have the same, whoever crashes when, and however many servers write.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Final

from corral.cluster.apiserver.caching.item import Object, resource_prefix, stored_bytes
from corral.cluster.apiserver.lookup import Lookup
from corral.cluster.apiserver.objects.core import Claims
from corral.cluster.apiserver.objects.times import to_text
from corral.model.kubernetes.addresses import parse_ip
from corral.model.kubernetes.kinds.core.service.allocation import Ranges, allocate, in_use

ADDRESSES: Final = resource_prefix("networking.k8s.io", "ipaddresses") + "/"
PORTS: Final = "/claims/nodeports/"
NONE: Final = "None"


def addresses_of(service: Object | None) -> set[str]:
    """Pure: in canonical form.

    >>> addresses_of({"spec": {"clusterIPs": ["10.96.0.1", "None"]}})
    {'10.96.0.1'}
    """
    spec = (service or {}).get("spec") or {}
    return {str(ip) for one in spec.get("clusterIPs") or () if one != NONE and (ip := parse_ip(one)) is not None}


def ports_of(service: Object | None) -> set[int]:
    """Pure: the ports of the nodes."""
    spec = (service or {}).get("spec") or {}
    found = {port.get("nodePort", 0) for port in spec.get("ports") or ()} | {spec.get("healthCheckNodePort", 0)}
    return found - {0, None}


def plan_claims(new: Object | None, old: Object | None, now: str, new_uid: Callable[[], str]) -> Claims:
    """Pure but for the uids: what comes and what goes from the old Service (None: there was none) to the new one.

    >>> old = {"metadata": {"name": "web", "namespace": "shop"}, "spec": {"clusterIPs": ["10.96.0.9"]}}
    >>> plan_claims(None, old, "", str).deletes
    ['/registry/networking.k8s.io/ipaddresses//10.96.0.9']
    """
    claims = Claims()
    before, after = addresses_of(old), addresses_of(new)
    for address in sorted(after - before):
        key = ADDRESSES + address
        claims.puts[key] = stored_bytes(ip_address(address, new or {}, now, new_uid()))
        claims.expect[key] = 0
    claims.deletes += [ADDRESSES + address for address in sorted(before - after)]
    had, has = ports_of(old), ports_of(new)
    for port in sorted(has - had):
        key = f"{PORTS}{port}"
        claims.puts[key] = _owner(new or {}).encode()
        claims.expect[key] = 0
    claims.deletes += [f"{PORTS}{port}" for port in sorted(had - has)]
    return claims


def _owner(service: Object) -> str:
    return f"{service['metadata'].get('namespace', '')}/{service['metadata']['name']}"


def ip_address(address: str, service: Object, now: str, uid: str) -> Object:
    """Pure: the IPAddress that says whose an address is."""
    metadata = service["metadata"]
    labels = {
        "ipaddress.kubernetes.io/ip-family": "IPv6" if ":" in address else "IPv4",
        "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io",
    }
    parent = {"group": "", "resource": "services", "namespace": metadata["namespace"], "name": metadata["name"]}
    return {
        "kind": "IPAddress",
        "apiVersion": "networking.k8s.io/v1",
        "metadata": {"name": address, "uid": uid, "creationTimestamp": now, "labels": labels},
        "spec": {"parentRef": parent},
    }


class ServiceClaims:
    """The Companion of Services."""

    def __init__(
        self, lookup: Lookup, ranges: Ranges, now: Callable[[], datetime], random: Random | None = None
    ) -> None:
        self._lookup, self._ranges, self._now, self._random = lookup, ranges, now, random or Random()

    def prepare(self, new: Object, old: Object | None) -> None:
        """In place: gives the Service what it lacks. StatusError 422, 500."""
        own = (new["metadata"].get("namespace"), new["metadata"].get("name"))
        others = [
            one
            for one in self._lookup.list("", "services")
            if (one["metadata"].get("namespace"), one["metadata"].get("name")) != own
        ]
        allocate(new, old, self._ranges, in_use(others), self._random)

    def claims(self, new: Object | None, old: Object | None) -> Claims:
        return plan_claims(new, old, to_text(self._now()), lambda: str(uuid.uuid4()))
