"""The Node object of this machine. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from corral import __version__
from corral.cluster.kubelet.node.host import Machine
from corral.cluster.kubelet.times import rfc3339
from corral.model.image import Image

Object = dict[str, Any]

VERSION: Final = "v1.37.1"
MOST_IMAGES: Final = 50
MOST_NAMES: Final = 5
CONDITIONS: Final = (
    ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
    ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
)


def plan_labels(machine: Machine) -> dict[str, str]:
    os, arch = "linux", machine.architecture
    return {
        "kubernetes.io/hostname": machine.name,
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


def plan_node(machine: Machine, subnet: str, labels: dict[str, str]) -> Object:
    """The node as it is registered, without its status."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": machine.name,
            "labels": plan_labels(machine) | labels,
            "annotations": {"volumes.kubernetes.io/controller-managed-attach-detach": "true"},
        },
        "spec": {"podCIDR": subnet, "podCIDRs": [subnet]} if subnet else {},
    }


def plan_images(images: Iterable[Image]) -> list[Object]:
    """The largest images, with their names.

    >>> plan_images([Image("sha256:0", tags=["docker.io/library/a:1"], size=9)])
    [{'names': ['docker.io/library/a:1'], 'sizeBytes': 9}]
    """
    named = [image for image in images if image.tags or image.digests]
    largest = sorted(named, key=lambda image: -image.size)[:MOST_IMAGES]
    return [{"names": [*image.digests, *image.tags][:MOST_NAMES], "sizeBytes": image.size} for image in largest]


def plan_conditions(before: Sequence[Object], now: str) -> list[Object]:
    """A time of change is kept while nothing has; those of others stay.

    >>> old = [{"type": "Ready", "status": "True", "lastTransitionTime": "t0"}]
    >>> [one["lastTransitionTime"] for one in plan_conditions(old, "t1") if one["type"] == "Ready"]
    ['t0']
    """
    known = {one["type"]: one for one in before}
    made = []
    for kind, status, reason, message in CONDITIONS:
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
    mine = {one[0] for one in CONDITIONS}
    return made + [one for one in before if one["type"] not in mine]


def plan_node_status(
    before: Object, machine: Machine, pods: int, images: Iterable[Image], now: int, port: int
) -> Object:
    """Allocatable is all there is: nothing is set aside for the system."""
    capacity = plan_capacity(machine, pods)
    addresses = [{"type": "InternalIP", "address": ip} for ip in machine.addresses]
    return {
        **before,
        "capacity": capacity,
        "allocatable": dict(capacity),
        "addresses": [*addresses, {"type": "Hostname", "address": machine.name}],
        "conditions": plan_conditions(before.get("conditions") or (), rfc3339(now)),
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
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
