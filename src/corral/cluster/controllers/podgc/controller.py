"""Pod garbage collector. One key: a pod, or TERMINATED.

Follows k8s.io/kubernetes/pkg/controller/podgc.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES, PODS
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.disruption_target import delete_disrupted
from corral.cluster.controllers.nodelifecycle.health import readiness
from corral.cluster.controllers.pods_on_nodes import BY_NODE, index_by_node
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError

TERMINATED: Final = "terminated"
MOST_TERMINATED: Final = 12500
QUARANTINE_SECONDS: Final = 40.0  # a node may be listed after its pods
OUT_OF_SERVICE: Final = "node.kubernetes.io/out-of-service"
_FORCE: Final = {"gracePeriodSeconds": 0}


def surplus(ended: Iterable[Object], most: int) -> list[Object]:
    """Pure: which of the pods that have ended go: the oldest, as many as there are too many.

    >>> pods = [{"metadata": {"name": str(n), "creationTimestamp": f"2026-01-0{n}T00:00:00Z"}} for n in (3, 1, 2)]
    >>> [pod["metadata"]["name"] for pod in surplus(pods, 1)]
    ['1', '2']
    """
    found = sorted(ended, key=lambda pod: (pod["metadata"]["creationTimestamp"], meta.name(pod)))
    return found[: max(0, len(found) - most)]


class PodGc(Controller):
    """`most_terminated`: of pods that have ended, so many are kept for people to look at."""

    name = "pod-garbage-collector-controller"

    def __init__(self, shared: Shared, most_terminated: int = MOST_TERMINATED) -> None:
        self._client, self._now, self._most = shared.client, shared.now, most_terminated
        self._nodes, self._pods = shared.informers.of(NODES), shared.informers.of(PODS)
        super().__init__([self._nodes, self._pods])
        self._missing: dict[str, float] = {}
        index_by_node(self._pods)
        self._pods.add_index(TERMINATED, lambda pod: [TERMINATED] if _ended(pod) else [])
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            return
        self.queue.add(meta.key(new))
        if _ended(new) and not (old is not None and _ended(old)):
            self.queue.add(TERMINATED)

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """A node that goes, or is said to be out of service, concerns its pods; one that comes is not missing."""
        name = meta.name(new or old or {})
        if new is not None:
            self._missing.pop(name, None)
            if not _out_of_service(new):
                return
        for pod in self._pods.indexed(BY_NODE, name):
            self.queue.add(meta.key(pod))

    async def reconcile(self, key: str) -> float | None:
        if key == TERMINATED:
            ended = self._pods.indexed(TERMINATED, TERMINATED)
            for old in surplus(ended, self._most) if len(ended) > self._most else ():
                await self._delete(old)
            return None
        pod = self._pods.get(key)
        if pod is None:
            return None
        name = pod["spec"].get("nodeName")
        if not name:
            if meta.deleting(pod):
                await self._delete(pod)
            return None
        node = self._nodes.get(name)
        if node is None:
            return await self._orphan(pod, name)
        if meta.deleting(pod) and _out_of_service(node):
            await self._delete(pod, "DeletionByPodGC", "PodGC: node is out of service")
        return None

    async def _orphan(self, pod: Object, node: str) -> float | None:
        now = self._now().timestamp()
        left = self._missing.setdefault(node, now) + QUARANTINE_SECONDS - now
        if left > 0:
            return left
        try:
            await self._client.get(NODES, node)
        except StatusError as error:
            if error.code != 404:
                raise
            await self._delete(pod, "DeletionByPodGC", "PodGC: node no longer exists")
        return None

    async def _delete(self, pod: Object, reason: str = "", message: str = "") -> None:
        """At once. One that was about to run is a failed one first."""
        if reason and not _ended(pod):
            moment = to_text(self._now())
            await delete_disrupted(self._client, pod, reason, message, moment, phase="Failed", options=_FORCE)
            return
        try:
            options = {**_FORCE, "preconditions": {"uid": meta.uid(pod)}}
            await self._client.delete(PODS, meta.name(pod), meta.namespace(pod), options=options)
        except StatusError as error:
            if error.code != 404:
                raise


def _ended(pod: Object) -> bool:
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def _out_of_service(node: Object) -> bool:
    tainted = any(one["key"] == OUT_OF_SERVICE for one in node["spec"].get("taints") or ())
    return tainted and readiness(node) != "True"
