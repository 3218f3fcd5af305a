"""What the EndpointSlices of hand-made Endpoints are. Pure.

Follows k8s.io/kubernetes/pkg/controller/endpointslicemirroring.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.endpointslice.endpoints import FAMILIES, family
from corral.cluster.controllers.endpointslice.plan import Ports, SlicePlan, fill, ports_key, slice_labels

MANAGER: Final = "endpointslicemirroring-controller.k8s.io"
SKIP: Final = "endpointslice.kubernetes.io/skip-mirror"
LEADER: Final = "control-plane.alpha.kubernetes.io/leader"
LIMIT: Final = 1000
_NOT_COPIED: Final = (
    "kubectl.kubernetes.io/last-applied-configuration",
    "endpoints.kubernetes.io/last-change-trigger-time",
)


def is_mirrored(endpoints: Object | None, service: Object | None) -> bool:
    """Whether these Endpoints are for this controller.

    >>> endpoints, service = {"metadata": {"name": "db"}}, {"metadata": {"name": "db"}, "spec": {}}
    >>> is_mirrored(endpoints, service), is_mirrored(endpoints, {**service, "spec": {"selector": {"a": "b"}}})
    (True, False)
    """
    if endpoints is None or service is None or meta.deleting(endpoints):
        return False
    metadata = endpoints["metadata"]
    if (metadata.get("labels") or {}).get(SKIP) == "true" or LEADER in (metadata.get("annotations") or {}):
        return False
    return not service["spec"].get("selector")


def plan_mirror(endpoints: Object, service: Object, existing: Sequence[Object]) -> SlicePlan:
    """What makes the slices tell what the Endpoints tell; each set of ports has its own."""
    plan = SlicePlan([], [], [one for one in existing if one.get("addressType") not in FAMILIES])
    for kind in FAMILIES:
        wanted: dict[str, tuple[Ports, list[Object]]] = {}
        for subset in endpoints.get("subsets") or ():
            ports = tuple({"name": "", "protocol": "TCP", **one} for one in subset.get("ports") or ())
            found = _endpoints(subset, kind)
            if found:
                wanted.setdefault(ports_key(ports), (ports, []))[1].extend(found)
        mine = [one for one in existing if one.get("addressType") == kind]
        fill(wanted, mine, _new(endpoints, service, kind), plan)
    return plan


def _endpoints(subset: Object, kind: str) -> list[Object]:
    found: list[Object] = []
    for field, ready in (("addresses", True), ("notReadyAddresses", False)):
        for one in subset.get(field) or ():
            if family(one["ip"]) == kind and len(found) < LIMIT:
                found.append(_endpoint(one, ready=ready))
    return found


def _endpoint(address: Object, *, ready: bool) -> Object:
    made: dict[str, Any] = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    for key in ("hostname", "nodeName", "targetRef"):
        if address.get(key):
            made[key] = address[key]
    return made


def _new(endpoints: Object, service: Object, kind: str) -> Object:
    headless = service["spec"].get("clusterIP") == "None"
    labels = endpoints["metadata"].get("labels") or {}
    notes = endpoints["metadata"].get("annotations") or {}
    return {
        "metadata": {
            "generateName": f"{meta.name(endpoints)}-",
            "namespace": meta.namespace(endpoints),
            "labels": slice_labels(labels, meta.name(endpoints), MANAGER, headless=headless),
            "annotations": {key: value for key, value in notes.items() if key not in _NOT_COPIED},
            "ownerReferences": [meta.reference(endpoints, "v1", "Endpoints")],
        },
        "addressType": kind,
    }
