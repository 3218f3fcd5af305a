"""Nodes and pods for the scheduler's tests, and a snapshot of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from corral.cluster.scheduler.cycle import Decision, decide
from corral.cluster.scheduler.engine import rules_of
from corral.cluster.scheduler.framework import Hints
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.settings import Profile
from corral.cluster.scheduler.snapshot.snapshot import Snapshot
from corral.cluster.scheduler.storage.storage import Storage

Object = dict[str, Any]


def node(
    name: str,
    labels: Mapping[str, str] | None = None,
    *,
    taints: Iterable[tuple[str, str, str]] = (),
    unschedulable: bool = False,
    images: Iterable[tuple[str, int]] = (),
    **allocatable: str,
) -> Object:
    """`taints`: (key, value, effect). A resource's name has "_" for "-"."""
    amounts = {"cpu": "4", "memory": "8Gi", "pods": "110"}
    amounts |= {key.replace("_", "-"): value for key, value in allocatable.items()}
    spec: Object = {"taints": [dict(zip(("key", "value", "effect"), one, strict=True)) for one in taints]}
    if unschedulable:
        spec["unschedulable"] = True
    listed = [{"names": [image], "sizeBytes": size} for image, size in images]
    status = {"allocatable": amounts, "capacity": amounts, "images": listed}
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}}
    return {"metadata": metadata, "spec": spec, "status": status}


def pod(
    name: str,
    labels: Mapping[str, str] | None = None,
    *,
    on: str = "",
    namespace: str = "default",
    requests: Mapping[str, str] | None = None,
    ports: Iterable[Object] = (),
    metadata: Object | None = None,
    status: Object | None = None,
    **spec: Any,
) -> Object:
    container = {
        "name": "main",
        "image": "web:1",
        "resources": {"requests": dict(requests or {})},
        "ports": list(ports),
    }
    made: Object = {"containers": [container], **spec}
    if on:
        made["nodeName"] = on
    about = {"name": name, "namespace": namespace, "uid": f"uid-{namespace}-{name}", "labels": dict(labels or {})}
    return {"metadata": {**about, **(metadata or {})}, "spec": made, "status": status or {}}


def snapshot(nodes: Iterable[Object], pods: Iterable[Object] = (), storage: Storage | None = None) -> Snapshot:
    """`pods` are on the nodes that their specs name."""
    made = Snapshot(storage)
    for one in nodes:
        made.put_node(one)
    for one in pods:
        made.put_pod(Pod(one), one["spec"]["nodeName"])
    return made


def ask(found: Snapshot, asked: Object, profile: Profile | None = None, **more: Any) -> Decision:
    """A decision in which the first of equals is taken."""
    hints = more.pop("hints", Hints())
    return decide(found, Pod(asked), rules_of(profile or Profile()), lambda below: 0, hints=hints, **more)


def why(found: Snapshot, asked: Object, **more: Any) -> str:
    """Why it fits nowhere, without the words that all messages have."""
    made = ask(found, asked, **more)
    assert not made.node, made
    return made.diagnosis.message().partition(" available: ")[2].removesuffix(".")
