"""The subsets of an Endpoints object. Pure.

Follows k8s.io/kubernetes/pkg/controller/endpoint and …/pkg/api/v1/endpoints.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.conditions import pod_ready
from corral.cluster.controllers.endpointslice.endpoints import (
    address_types,
    endpoint_ports,
    family,
    may_be_endpoint,
    pod_addresses,
    wants_hostname,
)

LIMIT: Final = 1000
MANAGED_BY: Final = "endpoints.kubernetes.io/managed-by"
MANAGER: Final = "endpoint-controller"
HEADLESS: Final = "service.kubernetes.io/headless"
OVER: Final = "endpoints.kubernetes.io/over-capacity"

# (an address, whether it is ready, its ports)
Found = tuple[Object, bool, tuple[Object, ...]]


def plan_endpoints(service: Object, pods: Iterable[Object], current: Object | None) -> Object | None:
    """The Endpoints object that a Service should have; None when it has it."""
    subsets, over = limit(repack(_found(service, pods)), LIMIT)
    labels = {**(service["metadata"].get("labels") or {}), MANAGED_BY: MANAGER}
    labels.pop(HEADLESS, None)
    if service["spec"].get("clusterIP") == "None":
        labels[HEADLESS] = ""
    before = current or {"metadata": {"name": meta.name(service), "namespace": meta.namespace(service)}}
    notes = {key: value for key, value in (before["metadata"].get("annotations") or {}).items() if key != OVER}
    if over:
        notes[OVER] = "truncated"
    metadata = {key: value for key, value in before["metadata"].items() if key != "annotations"} | {"labels": labels}
    if notes:
        metadata["annotations"] = notes
    wanted = {**before, "metadata": metadata, "subsets": subsets}
    return None if current is not None and wanted == {"subsets": [], **current} else wanted


def _found(service: Object, pods: Iterable[Object]) -> Iterable[Found]:
    unready = bool(service["spec"].get("publishNotReadyAddresses"))
    kind = address_types(service)[0]
    for pod in pods:
        address = next((one for one in pod_addresses(pod) if family(one) == kind), None)
        if address is not None and may_be_endpoint(pod, terminating=unready):
            yield _address(pod, address, service), unready or pod_ready(pod), endpoint_ports(service, pod)


def _address(pod: Object, address: str, service: Object) -> Object:
    made: Object = {"ip": address}
    if wants_hostname(pod, service):
        made["hostname"] = pod["spec"]["hostname"]
    if pod["spec"].get("nodeName"):
        made["nodeName"] = pod["spec"]["nodeName"]
    target = {"kind": "Pod", "namespace": meta.namespace(pod), "name": meta.name(pod), "uid": meta.uid(pod)}
    return {**made, "targetRef": target}


def repack(found: Iterable[Found]) -> list[Object]:
    """The fewest subsets: ports that the very same addresses have are in one.

    >>> http, admin = {"name": "http", "port": 80}, {"name": "admin", "port": 81}
    >>> repack([({"ip": "10.0.0.1"}, True, (http, admin)), ({"ip": "10.0.0.2"}, False, (http, admin))])
    [{'addresses': [{'ip': '10.0.0.1'}], 'notReadyAddresses': [{'ip': '10.0.0.2'}], 'ports': [{'name': 'admin', 'port': 81}, {'name': 'http', 'port': 80}]}]
    """  # noqa: E501
    ports: dict[str, Object | None] = {}
    having: dict[str, dict[str, tuple[Object, bool]]] = {}
    for address, ready, its in found:
        for port in its or (None,):
            key = json.dumps(port, sort_keys=True)
            ports[key] = port
            having.setdefault(key, {})[json.dumps(address, sort_keys=True)] = (address, ready)
    groups: dict[tuple[tuple[str, bool], ...], list[str]] = {}
    for key, addresses in having.items():
        who = tuple(sorted((one, ready) for one, (_, ready) in addresses.items()))
        groups.setdefault(who, []).append(key)
    made = [_subset(who, having[keys[0]], [ports[key] for key in sorted(keys)]) for who, keys in groups.items()]
    return sorted(made, key=lambda one: json.dumps(one, sort_keys=True))


def _subset(
    who: Iterable[tuple[str, bool]], addresses: dict[str, tuple[Object, bool]], ports: list[Object | None]
) -> Object:
    made: Object = {}
    for field, wanted in (("addresses", True), ("notReadyAddresses", False)):
        found = [addresses[key][0] for key, ready in who if ready is wanted]
        if found:
            made[field] = sorted(found, key=lambda one: str(one["ip"]))
    real = [port for port in ports if port is not None]
    return {**made, "ports": real} if real else made


def limit(subsets: list[Object], most: int) -> tuple[list[Object], bool]:
    """At most so many addresses, the ready ones first; and whether some were left out.

    >>> limit([{"addresses": [{"ip": "a"}, {"ip": "b"}], "notReadyAddresses": [{"ip": "c"}]}], 1)
    ([{'addresses': [{'ip': 'a'}]}], True)
    """
    total = sum(len(one.get("addresses", ())) + len(one.get("notReadyAddresses", ())) for one in subsets)
    if total <= most:
        return subsets, False
    kept = [{key: value for key, value in one.items() if key == "ports"} for one in subsets]
    for field in ("addresses", "notReadyAddresses"):
        for one, made in zip(subsets, kept, strict=True):
            part = one.get(field, [])[:most]
            most -= len(part)
            if part:
                made[field] = part
    return [one for one in kept if "addresses" in one or "notReadyAddresses" in one], True
