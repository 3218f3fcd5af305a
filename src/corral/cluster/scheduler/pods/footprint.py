"""Does a pod still take what it took? Most changes of a running pod are to its status. Pure."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]


def same_footprint(old: Object, new: Object) -> bool:
    """Whether both weigh the same in a snapshot; where they run is not asked.

    >>> pod = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}, "status": {}}
    >>> same_footprint(pod, {**pod, "spec": {"containers": [], "nodeName": "n"}, "status": {"phase": "Running"}})
    True
    >>> same_footprint(pod, {**pod, "metadata": {}})
    False
    """
    one, other = old["metadata"], new["metadata"]
    if one.get("labels") != other.get("labels") or ("deletionTimestamp" in one) != ("deletionTimestamp" in other):
        return False
    if old["spec"] is not new["spec"] and _spec(old) != _spec(new):
        return False
    return _resizing(old) == _resizing(new)


def _spec(pod: Object) -> Object:
    return {key: value for key, value in pod["spec"].items() if key not in ("nodeName", "ephemeralContainers")}


def _resizing(pod: Object) -> list[Any]:
    status = pod.get("status") or {}
    listed = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    states = [(one.get("name"), one.get("resources"), one.get("allocatedResources")) for one in listed]
    pending = [one for one in status.get("conditions") or () if one.get("type") == "PodResizePending"]
    return [*(one for one in states if one[1] or one[2]), *pending]
