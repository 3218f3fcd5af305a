"""Which change in the cluster may help a pod that fitted nowhere? One table and what reads changes. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from corral.model.kubernetes.requests import pod_requests

Object = dict[str, Any]
Helps = Callable[[str, Object], bool]  # (a plugin that refused a pod, the pod): may the change help?

NODE_ADDED, NODE_DELETED, NODE_LABELS = "NodeAdded", "NodeDeleted", "NodeLabels"
NODE_TAINTS, NODE_RESOURCES = "NodeTaints", "NodeResources"
POD_ASSIGNED, POD_LABELS, POD_SHRUNK, POD_DELETED = "PodAssigned", "PodLabels", "PodShrunk", "PodDeleted"
CLAIM, VOLUME, STORAGE_CLASS, CSI_NODE, NAMESPACE = "Claim", "Volume", "StorageClass", "CSINode", "Namespace"
CSI_STORAGE = "CSIStorage"
RESOURCE_CLAIM, RESOURCE_SLICE, DEVICE_CLASS = "ResourceClaim", "ResourceSlice", "DeviceClass"

_NODES: Final = frozenset(
    ("NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit")
)
_PODS: Final = frozenset(("PodTopologySpread", "InterPodAffinity"))

# A change, and the plugins that may now think better of a pod.
HELPS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        NODE_ADDED: _NODES | _PODS | {"VolumeBinding", "VolumeZone", "NodeVolumeLimits", "DynamicResources"},
        NODE_DELETED: frozenset(("PodTopologySpread",)),
        NODE_LABELS: _PODS | {"NodeAffinity", "VolumeBinding", "VolumeZone", "DynamicResources"},
        NODE_TAINTS: frozenset(("NodeUnschedulable", "TaintToleration", "PodTopologySpread")),
        NODE_RESOURCES: frozenset(("NodeResourcesFit",)),
        POD_ASSIGNED: _PODS,
        POD_LABELS: _PODS,
        POD_SHRUNK: frozenset(("NodeResourcesFit",)),
        POD_DELETED: _PODS | {"NodePorts", "NodeResourcesFit", "VolumeRestrictions", "NodeVolumeLimits"},
        CLAIM: frozenset(("VolumeBinding", "VolumeZone", "VolumeRestrictions", "NodeVolumeLimits")),
        VOLUME: frozenset(("VolumeBinding", "VolumeZone", "NodeVolumeLimits")),
        STORAGE_CLASS: frozenset(("VolumeBinding", "VolumeZone")),
        CSI_NODE: frozenset(("VolumeBinding", "NodeVolumeLimits")),
        CSI_STORAGE: frozenset(("VolumeBinding",)),
        RESOURCE_CLAIM: frozenset(("DynamicResources",)),
        RESOURCE_SLICE: frozenset(("DynamicResources",)),
        DEVICE_CLASS: frozenset(("DynamicResources", "NodeResourcesFit")),  # it may answer to a resource
        NAMESPACE: frozenset(("InterPodAffinity",)),
    }
)


def always(plugin: str, waiting: Object) -> bool:
    """Of a change that is not looked at more closely."""
    return True


ALL_PLUGINS: Final = frozenset[str]().union(*HELPS.values())


def node_changes(old: Object | None, new: Object | None) -> Iterator[str]:
    """
    >>> node = {"metadata": {"labels": {}}, "spec": {}, "status": {}}
    >>> list(node_changes(node, {**node, "spec": {"unschedulable": True}})), list(node_changes(None, node))
    (['NodeTaints'], ['NodeAdded'])
    """
    if old is None or new is None:
        yield NODE_ADDED if old is None else NODE_DELETED
        return
    if old["metadata"].get("labels") != new["metadata"].get("labels"):
        yield NODE_LABELS
    before, after = old.get("spec") or {}, new.get("spec") or {}
    if (before.get("taints"), before.get("unschedulable")) != (after.get("taints"), after.get("unschedulable")):
        yield NODE_TAINTS
    if (old.get("status") or {}).get("allocatable") != (new.get("status") or {}).get("allocatable"):
        yield NODE_RESOURCES


def pod_changes(old: Object | None, new: Object | None) -> Iterator[str]:
    """Of pods that have a node. One that has ended is as good as gone."""
    was, now = _runs(old), _runs(new)
    if was != now:
        yield POD_ASSIGNED if now else POD_DELETED
    if not was or not now or old is None or new is None:
        return
    if old["metadata"].get("labels") != new["metadata"].get("labels"):
        yield POD_LABELS
    if "deletionTimestamp" in new["metadata"] and "deletionTimestamp" not in old["metadata"]:
        yield POD_LABELS  # for spreading it does not count any more
    if _sizes(old) != _sizes(new) and _asks_for_less(old, new):
        yield POD_SHRUNK


def _runs(pod: Object | None) -> bool:
    if pod is None or not pod["spec"].get("nodeName"):
        return False
    return (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")


def _sizes(pod: Object) -> list[Any]:
    states = (pod.get("status") or {}).get("containerStatuses") or ()
    asked = [one.get("resources") for one in pod["spec"].get("containers") or ()]
    return [*asked, *((one.get("resources"), one.get("allocatedResources")) for one in states)]


def _asks_for_less(old: Object, new: Object) -> bool:
    before, after = pod_requests(old), pod_requests(new)
    return any(after.get(name, 0) < value for name, value in before.items())


def _claims(pod: Object) -> Any:
    return (pod.get("status") or {}).get("resourceClaimStatuses")


def concerns_scheduling(old: Object, new: Object) -> bool:
    """Whether a waiting pod has become another: not only its status (but for the claims that were made
    for it), or who wrote what of it.

    >>> pod = {"metadata": {"labels": {}}, "spec": {"a": 1}}
    >>> concerns_scheduling(pod, {**pod, "status": {}}), concerns_scheduling(pod, {**pod, "spec": {"a": 2}})
    (False, True)
    """
    if old["spec"] != new["spec"]:
        return True
    if _claims(old) != _claims(new):
        return True
    return any(old["metadata"].get(key) != new["metadata"].get(key) for key in ("labels", "annotations"))
