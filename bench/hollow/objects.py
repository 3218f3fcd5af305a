"""What hollow kubelets write. All of it pure."""

from __future__ import annotations

from typing import Any

Object = dict[str, Any]

LEASE_SECONDS = 40


def node(number: int, now: str) -> Object:
    """Ready, in one of three zones, with room for 110 pods."""
    name = node_name(number)
    zone = {"topology.kubernetes.io/zone": f"zone-{number % 3}", "topology.kubernetes.io/region": "here"}
    amounts = {"cpu": "16", "memory": "64Gi", "pods": "110", "ephemeral-storage": "100Gi"}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", **zone}},
        "spec": {"podCIDR": f"10.{128 + (number >> 8)}.{number & 255}.0/24"},
        "status": {
            "capacity": amounts,
            "allocatable": amounts,
            "conditions": [{**ready, "lastHeartbeatTime": now, "lastTransitionTime": now}],
            "addresses": [{"type": "InternalIP", "address": address(number)}],
        },
    }


def node_name(number: int) -> str:
    return f"hollow-{number}"


def address(number: int) -> str:
    """
    >>> address(1), address(300)
    ('10.64.0.1', '10.64.1.44')
    """
    return f"10.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def lease(number: int, now: str) -> Object:
    name = node_name(number)
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now},
    }


def running(pod: Object, number: int, now: str) -> Object:
    """The patch of a pod's status that says that it runs, as the `number`th of all."""
    container = pod["spec"]["containers"][0]
    conditions = [
        {"type": type, "status": "True", "lastTransitionTime": now}
        for type in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady")
    ]
    status = {
        "name": container["name"],
        "image": container["image"],
        "imageID": "hollow",
        "containerID": f"hollow://{pod['metadata']['uid']}",
        "ready": True,
        "started": True,
        "restartCount": 0,
        "state": {"running": {"startedAt": now}},
    }
    ip = f"10.{128 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}"
    return {
        "status": {
            "phase": "Running",
            "startTime": now,
            "podIP": ip,
            "podIPs": [{"ip": ip}],
            "conditions": conditions,
            "containerStatuses": [status],
        }
    }


def deployment(name: str, namespace: str, replicas: int, edition: str = "1") -> Object:
    labels = {"app": name}
    container = {
        "name": "main",
        "image": "registry.example/app:1",
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
    }
    template = {
        "metadata": {"labels": labels, "annotations": {"edition": edition}},
        "spec": {"containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


def service(name: str, namespace: str) -> Object:
    """Of the Deployment of that name."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}]},
    }
