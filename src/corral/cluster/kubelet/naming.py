"""How a pod's containers are called in the engine, and what their labels say. Pure."""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

from corral.model.container import Container

Object = dict[str, Any]

UNLISTED: Final = "io.kubernetes."
POD: Final = "io.kubernetes.pod.name"
NAMESPACE: Final = "io.kubernetes.pod.namespace"
UID: Final = "io.kubernetes.pod.uid"
CONTAINER: Final = "io.kubernetes.container.name"
TYPE: Final = "io.kubernetes.docker.type"
SPACE: Final = "io.kubernetes.sandbox.id"
HASH: Final = "annotation.io.kubernetes.container.hash"
ATTEMPT: Final = "annotation.io.kubernetes.container.restartCount"
MESSAGE: Final = "annotation.io.kubernetes.container.terminationMessagePath"
POLICY: Final = "annotation.io.kubernetes.container.terminationMessagePolicy"
GRACE: Final = "annotation.io.kubernetes.pod.terminationGracePeriod"
NOT_STARTED: Final = 128  # the exit code of what the runtime could not start, why ever: containerd's


class Attempt(NamedTuple):
    """One run of one container. Times in nanoseconds, 0: not yet. `state` is made, running or ended."""

    id: str
    container: str
    number: int
    state: str
    space: str
    created: int = 0
    started: int = 0
    finished: int = 0
    code: int = 0
    oom: bool = False
    error: str = ""
    image: str = ""
    image_id: str = ""
    hash: str = ""

    @property
    def running(self) -> bool:
        return self.state == "running"

    @property
    def ended(self) -> bool:
        return self.state == "ended"


def container_name(pod: Object, container: str, attempt: int) -> str:
    """
    >>> pod = {"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}}
    >>> container_name(pod, "main", 2)
    'k8s_main_web_shop_u1_2'
    """
    meta = pod["metadata"]
    return f"k8s_{container}_{meta['name']}_{meta['namespace']}_{meta['uid']}_{attempt}"


def spec_hash(container: Object) -> str:
    """What makes a running container another when it changes: of the fields that may change, the image.

    >>> spec_hash({"name": "a", "image": "x:1"}) == spec_hash({"name": "a", "image": "x:1", "env": []})
    True
    """
    return hashlib.sha256(f"{container['name']}\0{container['image']}".encode()).hexdigest()[:16]


def pod_labels(pod: Object) -> dict[str, str]:
    meta = pod["metadata"]
    return {POD: meta["name"], NAMESPACE: meta["namespace"], UID: meta["uid"]}


def container_labels(pod: Object, container: Object, attempt: int, space: str) -> dict[str, str]:
    return pod_labels(pod) | {
        TYPE: "container",
        CONTAINER: container["name"],
        SPACE: space,
        HASH: spec_hash(container),
        ATTEMPT: str(attempt),
        MESSAGE: container.get("terminationMessagePath") or "/dev/termination-log",
        POLICY: container.get("terminationMessagePolicy") or "File",
        GRACE: str(pod["spec"].get("terminationGracePeriodSeconds", 30)),
    }


def read_attempt(record: Container) -> Attempt:
    """What a container of the engine is to its pod. One that could not be started has ended."""
    labels, state = record.spec.labels, record.state
    how = "running" if state.status in ("running", "paused") else "ended"
    if state.status == "created" and not state.error:
        how = "made"
    never = bool(state.error) and not state.started_at
    return Attempt(
        id=record.id,
        container=labels[CONTAINER],
        number=int(labels[ATTEMPT]),
        state=how,
        space=labels.get(SPACE, ""),
        created=record.created,
        started=state.started_at,
        finished=state.finished_at if how == "ended" else 0,
        code=NOT_STARTED if never else state.exit_code,
        oom=state.oom_killed,
        error=state.error,
        image=record.spec.image,
        image_id=record.image_id,
        hash=labels.get(HASH, ""),
    )


def pod_of(labels: dict[str, str]) -> Object:
    """As much of a pod as its containers' labels tell: enough to end it when the object is gone."""
    meta = {"name": labels.get(POD, ""), "namespace": labels.get(NAMESPACE, ""), "uid": labels.get(UID, "")}
    spec = {"terminationGracePeriodSeconds": int(labels.get(GRACE, 30)), "containers": []}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}
