"""Devices that pods ask for as they ask for CPU: `example.com/gpu: 1`, where a DeviceClass answers to that. Pure.

The pod has no claim; the scheduler makes one for it, with a request for each container and resource that the node does
not have from a device plugin. Follows KEP-5004.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

from corral.model.kubernetes.kinds.core.resources import BY_DEVICE_CLASS, may_mean_devices
from corral.model.kubernetes.requests import amount

Object = dict[str, Any]

MARK: Final = "resource.kubernetes.io/extended-resource-claim"
LEFT: Final = "cannot schedule extended resource claim"  # of an earlier try
TO_COME: Final = "<extended-resources>"  # no name that a claim can have: it gets one when it is written


def classes_by_resource(classes: Iterable[Object]) -> dict[str, str]:
    """The class of each resource that a class answers to; of several the newest, then the first by name.

    >>> gpu = {"metadata": {"name": "gpu", "creationTimestamp": "1"}, "spec": {"extendedResourceName": "x.org/gpu"}}
    >>> new = {"metadata": {"name": "new", "creationTimestamp": "2"}, "spec": {"extendedResourceName": "x.org/gpu"}}
    >>> for resource, name in classes_by_resource([new, gpu]).items():
    ...     print(resource, name)
    deviceclass.resource.kubernetes.io/gpu gpu
    deviceclass.resource.kubernetes.io/new new
    x.org/gpu new
    """
    by_name = sorted(classes, key=lambda one: str(one["metadata"]["name"]), reverse=True)
    ordered = sorted(by_name, key=lambda one: str(one["metadata"].get("creationTimestamp", "")))
    found = {f"{BY_DEVICE_CLASS}{one['metadata']['name']}": str(one["metadata"]["name"]) for one in reversed(by_name)}
    for one in ordered:
        if resource := one["spec"].get("extendedResourceName"):
            found[resource] = one["metadata"]["name"]
    return found


def resources_of(requests: Mapping[str, int], classes: Mapping[str, str]) -> frozenset[str]:
    """What of a pod's requests a class answers to.

    >>> sorted(resources_of({"cpu": 100, "x.org/gpu": 1, "x.org/none": 0}, {"x.org/gpu": "gpu", "x.org/none": "gpu"}))
    ['x.org/gpu']
    """
    if not classes:
        return frozenset()
    return frozenset(name for name, count in requests.items() if count and name in classes and may_mean_devices(name))


def left_to_devices(resources: Collection[str], node: Object) -> frozenset[str]:
    """Those that the node does not have from a device plugin."""
    has = (node.get("status") or {}).get("allocatable") or {}
    return frozenset(name for name in resources if not amount(name, has.get(name, 0)))


def plan_claim(pod: Object, uid: str, resources: Collection[str], classes: Mapping[str, str]) -> Object:
    """The claim that is made for a pod, as it is reckoned with before it is written. `uid`: for that time."""
    metadata = pod["metadata"]
    owner = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"], "controller": True}
    return {
        "metadata": {
            "name": TO_COME,
            "generateName": f"{metadata['name']}-extended-resources-",
            "namespace": metadata["namespace"],
            "uid": uid,
            "annotations": {MARK: "true"},
            "ownerReferences": [owner],
        },
        "spec": {"devices": {"requests": plan_requests(pod, resources, classes)}},
    }


def plan_requests(pod: Object, resources: Collection[str], classes: Mapping[str, str]) -> list[Object]:
    """One request for each container and resource; its name tells both by their places.

    >>> asks = {"requests": {"cpu": "1", "x.org/gpu": "2"}}
    >>> pod = {"spec": {"containers": [{"name": "a"}, {"name": "b", "resources": asks}]}}
    >>> [request] = plan_requests(pod, {"x.org/gpu"}, {"x.org/gpu": "gpu"})
    >>> request["name"], request["exactly"]
    ('container-1-request-1', {'deviceClassName': 'gpu', 'allocationMode': 'ExactCount', 'count': 2})
    """
    found = [
        {
            "name": name,
            "exactly": {"deviceClassName": classes[resource], "allocationMode": "ExactCount", "count": count},
        }
        for _, resource, name, count in _asked(pod)
        if resource in resources and count
    ]
    return sorted(found, key=lambda one: str(one["name"]))


def plan_status(pod: Object, claim: Object) -> Object:
    """What the pod's status says of the claim that was made for it: which request is which container's.

    >>> pod = {"spec": {"containers": [{"name": "a", "resources": {"requests": {"x.org/gpu": "1"}}}]}}
    >>> claim = {"metadata": {"name": "web-x"}, "spec": {"devices": {"requests": [{"name": "container-0-request-0"}]}}}
    >>> plan_status(pod, claim)["requestMappings"]
    [{'containerName': 'a', 'resourceName': 'x.org/gpu', 'requestName': 'container-0-request-0'}]
    """
    names = {one["name"] for one in claim["spec"]["devices"]["requests"]}
    mappings = [
        {"containerName": container, "resourceName": resource, "requestName": name}
        for container, resource, name, _ in _asked(pod)
        if name in names
    ]
    return {"resourceClaimName": claim["metadata"]["name"], "requestMappings": mappings}


def _asked(pod: Object) -> Iterator[tuple[str, str, str, int]]:
    """(container, resource, name of the request for it, count) for all that containers ask for."""
    spec = pod["spec"]
    containers = (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
    for place, container in enumerate(containers):
        requests = (container.get("resources") or {}).get("requests") or {}
        for number, resource in enumerate(sorted(requests)):
            name = f"container-{place}-request-{number}"
            yield container["name"], resource, name, amount(resource, requests[resource])


def find_made(pod: Object, claims: Iterable[Object]) -> Object | None:
    """A claim that was made so for this very pod, by a try that did not come to its end."""
    uid = pod["metadata"].get("uid")
    for claim in claims:
        owners = claim["metadata"].get("ownerReferences") or ()
        if is_made(claim) and any(one.get("controller") and one.get("uid") == uid for one in owners):
            return claim
    return None


def is_made(claim: Object) -> bool:
    """Whether a scheduler has made it, for a pod that has none."""
    return (claim["metadata"].get("annotations") or {}).get(MARK) == "true"
