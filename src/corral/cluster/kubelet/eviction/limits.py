"""Pods that use more of the node's disk than they may, whether it is short or not. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from corral.model.kubernetes.quantity import BINARY, of, parse

Object = dict[str, Any]


def plan_volume_limits(pod: Object) -> dict[str, str]:
    """The empty directories on the disk that have a limit; one in memory has it from the kernel.

    >>> volume = {"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}
    >>> other = {"name": "w", "emptyDir": {"medium": "Memory", "sizeLimit": "1"}}
    >>> plan_volume_limits({"spec": {"volumes": [volume, other]}})
    {'v': '1Mi'}
    """
    found = {}
    for volume in pod["spec"].get("volumes") or ():
        source = volume.get("emptyDir") or {}
        if source.get("sizeLimit") and source.get("medium") != "Memory" and parse(str(source["sizeLimit"])):
            found[volume["name"]] = str(source["sizeLimit"])
    return found


def plan_container_limits(pod: Object) -> dict[str, str]:
    """
    >>> limits = {"ephemeral-storage": "1Gi"}
    >>> plan_container_limits({"spec": {"containers": [{"name": "a", "resources": {"limits": limits}}, {"name": "b"}]}})
    {'a': '1Gi'}
    """
    found = {}
    for one in (*pod["spec"]["containers"], *(pod["spec"].get("initContainers") or ())):
        limit = ((one.get("resources") or {}).get("limits") or {}).get("ephemeral-storage")
        if limit is not None:
            found[one["name"]] = str(limit)
    return found


def is_limited(pod: Object) -> bool:
    return bool(plan_volume_limits(pod) or plan_container_limits(pod))


def plan_excess(pod: Object, volumes: Mapping[str, int], containers: Mapping[str, int]) -> str:
    """Why the pod is to be ended, "" where it keeps to its limits. Bytes on the disk, by volume and by container; what
    a container uses is what it wrote into its own files, and its log.

    >>> limits = {"ephemeral-storage": "1Ki"}
    >>> pod = {"spec": {"containers": [{"name": "a", "resources": {"limits": limits}}]}}
    >>> plan_excess(pod, {}, {"a": 1024}), plan_excess(pod, {"v": 1}, {"a": 1024})
    ('', 'Pod ephemeral local storage usage exceeds the total limit of containers 1Ki. ')
    """
    for name, limit in plan_volume_limits(pod).items():
        if volumes.get(name, 0) > parse(limit).ceil():
            return f'Usage of EmptyDir volume "{name}" exceeds the limit "{limit}". '
    limits = plan_container_limits(pod)
    for name, limit in limits.items():
        if containers.get(name, 0) > parse(limit).ceil():
            return f'Container {name} exceeded its local ephemeral storage limit "{limit}". '
    mains = [parse(limits[one["name"]]).ceil() for one in pod["spec"]["containers"] if one["name"] in limits]
    if mains and sum(volumes.values()) + sum(containers.values()) > sum(mains):
        total = of(sum(mains), BINARY)
        return f"Pod ephemeral local storage usage exceeds the total limit of containers {total}. "
    return ""
