"""The Node object of this machine. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from corral import __version__
from corral.cluster.kubelet.eviction.thresholds import Threshold
from corral.cluster.kubelet.node.host import Machine
from corral.cluster.kubelet.times import rfc3339
from corral.model.image import Image
from corral.model.kubernetes.kinds.core.resources import is_extended
from corral.model.kubernetes.labels import HOSTNAME
from corral.model.kubernetes.quantity import parse

Object = dict[str, Any]

VERSION: Final = "v1.37.1"
KEPT: Final = {"memory.available": "memory", "nodefs.available": "ephemeral-storage"}
MOST_IMAGES: Final = 50
MOST_NAMES: Final = 5
WELL: Final = {
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    "Ready": ("True", "KubeletReady", "kubelet is posting ready status"),
}
SHORT: Final = {
    "MemoryPressure": ("True", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("True", "KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("True", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}


def plan_labels(machine: Machine) -> dict[str, str]:
    os, arch = "linux", machine.architecture
    return {
        HOSTNAME: machine.name,
        "kubernetes.io/os": os,
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": os,
        "beta.kubernetes.io/arch": arch,
    }


def plan_capacity(machine: Machine, pods: int) -> dict[str, str]:
    return {
        "cpu": str(machine.cpus),
        "memory": f"{machine.memory // 1024}Ki",
        "ephemeral-storage": f"{machine.disk // 1024}Ki",
        "pods": str(pods),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
    }


def plan_allocatable(capacity: Mapping[str, str], thresholds: Iterable[Threshold]) -> dict[str, str]:
    """What pods may ask for: all but what the node must keep so that nobody has to be evicted.

    >>> from corral.cluster.kubelet.eviction.thresholds import Amount
    >>> hard = [Threshold("memory.available", Amount(100 << 20)), Threshold("nodefs.available", Amount(part=0.1))]
    >>> plan_allocatable({"cpu": "2", "memory": "1048576Ki", "ephemeral-storage": "1000Ki"}, hard)
    {'cpu': '2', 'memory': '946176Ki', 'ephemeral-storage': '900Ki'}
    """
    found = dict(capacity)
    for one in thresholds:
        resource = KEPT.get(one.signal)
        if one.hard and resource is not None:
            whole = parse(capacity[resource]).ceil()
            found[resource] = f"{max(whole - one.amount.of(whole), 0) // 1024}Ki"
    return found


def plan_extended(capacity: Mapping[str, str]) -> dict[str, str]:
    """What others say that the node has: resources with a domain of their own. The kubelet keeps them.

    >>> plan_extended({"cpu": "2", "example.com/gpu": "1"})
    {'example.com/gpu': '1'}
    """
    return {name: value for name, value in capacity.items() if is_extended(name)}


def is_told(status: Object) -> bool:
    """Whether pods are offered what others say that the node has.

    >>> is_told({"capacity": {"example.com/gpu": "1"}, "allocatable": {"example.com/gpu": "1"}})
    True
    >>> is_told({"capacity": {}, "allocatable": {"example.com/gpu": "1"}})
    False
    """
    return plan_extended(status.get("capacity") or {}) == plan_extended(status.get("allocatable") or {})


def plan_node(
    machine: Machine, subnets: Sequence[str], labels: dict[str, str], annotations: dict[str, str] | None = None
) -> Object:
    """The node as it is registered, without its status. `subnets`: those of its pods, the default family's first."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": machine.name,
            "labels": plan_labels(machine) | labels,
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"} | (annotations or {}),
        },
        "spec": {"podCIDR": subnets[0], "podCIDRs": list(subnets)} if subnets else {},
    }


def plan_images(images: Iterable[Image]) -> list[Object]:
    """The largest images, with their names.

    >>> plan_images([Image("sha256:0", tags=["docker.io/library/a:1"], size=9)])
    [{'names': ['docker.io/library/a:1'], 'sizeBytes': 9}]
    """
    named = [image for image in images if image.tags or image.digests]
    largest = sorted(named, key=lambda image: -image.size)[:MOST_IMAGES]
    return [{"names": [*image.digests, *image.tags][:MOST_NAMES], "sizeBytes": image.size} for image in largest]


def plan_conditions(before: Sequence[Object], now: str, short: Collection[str] = ()) -> list[Object]:
    """`short`: the conditions that say of what the node is short. A time of change is kept while nothing has; those of
    others stay.

    >>> old = [{"type": "Ready", "status": "True", "lastTransitionTime": "t0"}]
    >>> [one["lastTransitionTime"] for one in plan_conditions(old, "t1") if one["type"] == "Ready"]
    ['t0']
    >>> plan_conditions([], "t", ["DiskPressure"])[1]["message"]
    'kubelet has disk pressure'
    """
    known = {one["type"]: one for one in before}
    made = []
    for kind, well in WELL.items():
        status, reason, message = SHORT[kind] if kind in short else well
        old = known.get(kind, {})
        since = old.get("lastTransitionTime") if old.get("status") == status else None
        made.append(
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastHeartbeatTime": now,
                "lastTransitionTime": since or now,
            }
        )
    return made + [one for one in before if one["type"] not in WELL]


def is_missed(node: Object) -> bool:
    """Whether others say that this node is not ready: it was silent for too long, or the machine slept.

    >>> is_missed({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}})
    True
    >>> is_missed({"status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    False
    """
    conditions = (node.get("status") or {}).get("conditions") or ()
    return not any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def plan_node_status(
    before: Object,
    machine: Machine,
    pods: int,
    images: Iterable[Image],
    now: int,
    port: int,
    *,
    thresholds: Iterable[Threshold] = (),
    short: Collection[str] = (),
) -> Object:
    """Nothing is set aside for the system, but what keeps the node from evicting."""
    capacity = plan_extended(before.get("capacity") or {}) | plan_capacity(machine, pods)
    addresses = [{"type": "InternalIP", "address": ip} for ip in machine.addresses]
    return {
        **before,
        "capacity": capacity,
        "allocatable": plan_allocatable(capacity, thresholds),
        "addresses": [*addresses, {"type": "Hostname", "address": machine.name}],
        "conditions": plan_conditions(before.get("conditions") or (), rfc3339(now), short),
        "nodeInfo": {
            "machineID": machine.machine_id,
            "systemUUID": machine.machine_id,
            "bootID": machine.boot_id,
            "kernelVersion": machine.kernel,
            "osImage": machine.system,
            "containerRuntimeVersion": f"corral://{__version__}",
            "kubeletVersion": VERSION,
            "kubeProxyVersion": "",
            "operatingSystem": "linux",
            "architecture": machine.architecture,
        },
        "images": plan_images(images),
        "runtimeHandlers": [
            {"name": one.name, "features": {"recursiveReadOnlyMounts": one.recursive, "userNamespaces": one.users}}
            for one in machine.handlers
        ],
        "features": {"supplementalGroupsPolicy": True},  # Strict is carried out by what makes the containers
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
