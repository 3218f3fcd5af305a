"""What a pod has on the node's disk, held against what it may have."""

from __future__ import annotations

import asyncio
from typing import Any

from corral.cluster.kubelet.eviction.limits import plan_excess
from corral.cluster.kubelet.eviction.reading import measure, read_disk
from corral.cluster.kubelet.shared import Shared
from corral.cluster.kubelet.volumes.manager import PodVolumes

Object = dict[str, Any]


async def find_excess(shared: Shared, pod: Object, volumes: PodVolumes) -> str:
    """Why the pod is to be ended, "" where it keeps to its limits."""
    sizes = {}
    for name in plan_empty(pod):
        sizes[name] = (await asyncio.to_thread(measure, volumes.empty_place(name))).size
    return plan_excess(pod, sizes, await read_disk(shared.engine, shared.index, pod["metadata"]["uid"]))


def plan_empty(pod: Object) -> list[str]:
    """Pure: the empty directories on the disk.

    >>> volumes = [{"name": "a", "emptyDir": {}}, {"name": "b", "emptyDir": {"medium": "Memory"}}]
    >>> plan_empty({"spec": {"volumes": volumes}})
    ['a']
    """
    known = pod["spec"].get("volumes") or ()
    return [one["name"] for one in known if "emptyDir" in one and (one["emptyDir"] or {}).get("medium") != "Memory"]
