"""What must be written so that the EndpointSlices of a Service tell the truth. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.endpointslice.endpoints import (
    address_types,
    endpoint_ports,
    family,
    make_endpoint,
    may_be_endpoint,
    pod_addresses,
)
from corral.cluster.controllers.endpointslice.packing import held, plan_packing
from corral.model.kubernetes.labels import SERVICE_NAME, SLICE_MANAGED_BY

HEADLESS: Final = "service.kubernetes.io/headless"
MANAGER: Final = "endpointslice-controller.k8s.io"
_RESERVED: Final = (SERVICE_NAME, SLICE_MANAGED_BY, HEADLESS)
_WRITTEN: Final = ("labels", "annotations")

Ports = tuple[Object, ...]


class SlicePlan(NamedTuple):
    """Whole objects. Made before anything is taken away, so that no endpoint is missing in between."""

    create: list[Object]
    update: list[Object]
    delete: list[Object]


def slice_labels(labels: Mapping[str, str], service: str, manager: str, *, headless: bool) -> dict[str, str]:
    """Labels of a slice: the Service's own, and the ones that say whose it is.

    >>> slice_labels({"app": "web"}, "web", "me", headless=True)
    {'app': 'web', 'kubernetes.io/service-name': 'web', 'endpointslice.kubernetes.io/managed-by': 'me', 'service.kubernetes.io/headless': ''}
    """  # noqa: E501
    kept = {key: value for key, value in labels.items() if key not in _RESERVED}
    made = {**kept, SERVICE_NAME: service, SLICE_MANAGED_BY: manager}
    return {**made, HEADLESS: ""} if headless else made


def plan_slices(
    service: Object, pods: Iterable[Object], zones: Mapping[str, str], existing: Sequence[Object]
) -> SlicePlan:
    """`zones`: of each node that is there, "" where it has none. A pod on a node that is not there counts only where
    not-ready addresses are published: nobody can say that it runs.
    """
    types = address_types(service)
    plan = SlicePlan([], [], [one for one in existing if one.get("addressType") not in types])
    found = [pod for pod in pods if may_be_endpoint(pod) and _is_placed(pod, service, zones)]
    for kind in types:
        _plan_family(service, found, zones, [one for one in existing if one.get("addressType") == kind], kind, plan)
    return plan


def _is_placed(pod: Object, service: Object, zones: Mapping[str, str]) -> bool:
    return pod["spec"].get("nodeName") in zones or bool(service["spec"].get("publishNotReadyAddresses"))


def _plan_family(
    service: Object,
    pods: Iterable[Object],
    zones: Mapping[str, str],
    existing: Sequence[Object],
    kind: str,
    plan: SlicePlan,
) -> None:
    wanted: dict[str, tuple[Ports, list[Object]]] = {}
    for pod in pods:
        if any(family(one) == kind for one in pod_addresses(pod)):
            ports = endpoint_ports(service, pod)
            zone = zones.get(pod["spec"].get("nodeName", ""), "")
            wanted.setdefault(ports_key(ports), (ports, []))[1].append(make_endpoint(pod, zone, service, kind))
    new = new_slice(service, kind)
    if not wanted:
        wanted = {ports_key(()): ((), [])}
    fill(wanted, existing, new, plan)


def ports_key(ports: Iterable[Object]) -> str:
    """The same for the same set of ports, in whatever order."""
    return json.dumps(sorted(json.dumps(one, sort_keys=True) for one in ports))


def new_slice(service: Object, kind: str) -> Object:
    """An empty slice of a Service, without its endpoints and ports."""
    headless = service["spec"].get("clusterIP") == "None"
    labels = slice_labels(service["metadata"].get("labels") or {}, meta.name(service), MANAGER, headless=headless)
    return {
        "metadata": {
            "generateName": f"{meta.name(service)}-",
            "namespace": meta.namespace(service),
            "labels": labels,
            "ownerReferences": [meta.reference(service, "v1", "Service")],
        },
        "addressType": kind,
    }


def fill(
    wanted: Mapping[str, tuple[Ports, list[Object]]], existing: Sequence[Object], new: Object, plan: SlicePlan
) -> None:
    """In place: what brings the existing slices of one family to the wanted endpoints, by set of ports.

    A set of ports without endpoints gets a slice all the same: that there are none is an answer, too.
    """
    by_ports: dict[str, list[Object]] = {key: [] for key in wanted}
    for one in existing:
        key = ports_key(one.get("ports") or ())
        if key in by_ports:
            by_ports[key].append(one)
        else:
            plan.delete.append(one)
    for key, (ports, endpoints) in wanted.items():
        slices = by_ports[key]
        if not endpoints:
            _fill_empty(slices, new, ports, plan)
            continue
        packing = plan_packing(slices, endpoints)
        plan.create.extend({**new, "endpoints": part, "ports": list(ports)} for part in packing.create)
        plan.update.extend(_renewed(one, new, part) for one, part in packing.update)
        plan.update.extend(_renewed(one, new, held(one)) for one in packing.keep if _stale(one, new))
        plan.delete.extend(packing.delete)


def _fill_empty(slices: Sequence[Object], new: Object, ports: Ports, plan: SlicePlan) -> None:
    if not slices:
        plan.create.append({**new, "endpoints": [], "ports": list(ports)})
        return
    first, *others = slices
    plan.delete.extend(others)
    if first.get("endpoints") or _stale(first, new):
        plan.update.append(_renewed(first, new, []))


def _stale(one: Object, new: Object) -> bool:
    """Annotations count only for who writes some."""
    before, wanted = one["metadata"], new["metadata"]
    return any(key in wanted and (before.get(key) or {}) != wanted[key] for key in _WRITTEN)


def _renewed(one: Object, new: Object, endpoints: Sequence[Object]) -> Object:
    written = {key: new["metadata"][key] for key in _WRITTEN if key in new["metadata"]}
    return {**one, "metadata": {**one["metadata"], **written}, "endpoints": list(endpoints)}
