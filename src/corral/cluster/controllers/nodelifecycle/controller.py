"""Listens to the heartbeats of nodes. One key: a node.

A heartbeat is a change of the node's Lease or of its status; when it came is told by this process' own clock, so that
clocks of nodes may be wrong. Each node has its full grace from when it was first seen here.
"""

from __future__ import annotations

from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES, PODS
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.conditions import find, put
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.nodelifecycle.health import (
    EVICTION_SECONDS,
    GRACE_SECONDS,
    grace_of,
    is_driven_out,
    may_evict,
    plan_silence,
    plan_taints,
    readiness,
)
from corral.cluster.controllers.pods_on_nodes import BY_NODE, index_by_node
from corral.cluster.controllers.resources import LEASES
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError

LEASE_NAMESPACE: Final = "kube-node-lease"


class NodeLifecycleController(Controller):
    """Says of a silent node that it is Unknown, of its pods that they are not ready, and taints nodes."""

    name = "node-lifecycle-controller"

    def __init__(self, shared: Shared) -> None:
        self._client, self._now = shared.client, shared.now
        self._events = shared.events.recorder("node-controller")
        self._nodes, self._pods = shared.informers.of(NODES), shared.informers.of(PODS)
        self._leases = shared.informers.of(LEASES)
        super().__init__([self._nodes, self._pods, self._leases])
        self._heard: dict[str, float] = {}
        self._ready = 0
        self._evicts, self._next_eviction = False, 0.0
        self._lost: set[str] = set()
        index_by_node(self._pods)
        self._leases.on_change(self._lease_changed)
        self._nodes.on_change(self._node_changed)

    def _lease_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and meta.namespace(new) == LEASE_NAMESPACE and meta.name(new) in self._heard:
            self._hear(meta.name(new))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        name = meta.name(new or old or {})
        self._ready += _is_ready(new) - _is_ready(old)
        if new is None:
            self._heard.pop(name, None)
            self._lost.discard(name)
            self._tell(old or {}, "RemovingNode", f"Node {name} event: Removing Node {name} from Controller")
        elif old is None:
            self._hear(name)
            self._tell(new, "RegisteredNode", f"Node {name} event: Registered Node {name} in Controller")
        elif readiness(new) != "Unknown" and _conditions(old) != _conditions(new):
            self._hear(name)
        if _is_ready(old) and new is not None and not _is_ready(new):
            self._lost.add(name)
        self.queue.add(name)
        before, self._evicts = self._evicts, may_evict(self._ready, len(self._nodes))
        if before != self._evicts:  # that concerns all
            for node in self._nodes.all():
                self.queue.add(meta.name(node))

    def _hear(self, name: str) -> None:
        """A node that is heard of again is timed again."""
        now = self._now().timestamp()
        late = now - self._heard.get(name, now) >= GRACE_SECONDS
        self._heard[name] = now
        if late:
            self.queue.add(name)

    def _silence(self, name: str) -> float:
        return self._now().timestamp() - self._heard[name]

    def _tell(self, node: Object, reason: str, message: str) -> None:
        self._events.normal(node, reason, message)

    async def reconcile(self, key: str) -> float | None:
        node = self._nodes.get(key)
        if node is None or key not in self._heard:
            return None
        left = grace_of(node) - self._silence(key)
        moment = to_text(self._now())
        if left <= 0:
            changed = plan_silence(node, moment)
            if changed is not None:
                node = await self._client.update(NODES, changed, subresource="status")
                self._tell(node, "NodeNotReady", f"Node {key} status is now: NodeNotReady")
        if key in self._lost or (left <= 0 and readiness(node) == "Unknown"):
            await self._mark_pods(key, moment)
            self._lost.discard(key)
        again = await self._taint(node, moment)
        return min((one for one in (left, again) if one > 0), default=None)

    async def _taint(self, node: Object, moment: str) -> float:
        """Lost nodes are given up one by one: whoever loses many at once has time to find that out. Seconds to wait."""
        now, evict = self._now().timestamp(), self._evicts
        wait = self._next_eviction - now if evict and not is_driven_out(node) else 0.0
        tainted = plan_taints(node, moment, evict=evict and wait <= 0)
        if tainted is not None:
            if is_driven_out(tainted) and not is_driven_out(node):
                self._next_eviction = now + EVICTION_SECONDS
            await self._nodes.seen(await self._client.update(NODES, tainted))
        return wait if readiness(node) != "True" else 0.0

    async def _mark_pods(self, name: str, moment: str) -> None:
        """Nobody can say that they still serve."""
        for pod in self._pods.indexed(BY_NODE, name):
            conditions = (pod.get("status") or {}).get("conditions")
            ready = find(conditions, "Ready")
            if ready is None or ready["status"] != "True":
                continue
            changed = put(conditions, {**ready, "status": "False", "lastTransitionTime": moment}, moment)
            try:
                status = {**pod["status"], "conditions": changed}
                await self._client.update(PODS, {**pod, "status": status}, subresource="status")
            except StatusError as error:
                if error.code != 404:
                    raise
                continue
            self._events.warning(pod, "NodeNotReady", "Node is not ready")


def _is_ready(node: Object | None) -> bool:
    return node is not None and readiness(node) == "True"


def _conditions(node: Object) -> object:
    """What a kubelet tells. We write some, too, but only that nothing is known."""
    return (node.get("status") or {}).get("conditions")
