"""Deletes pods whose time on a tainted node is over. One key: a pod."""

from __future__ import annotations

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES, PODS
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.disruption_target import delete_disrupted
from corral.cluster.controllers.pods_on_nodes import BY_NODE, index_by_node
from corral.cluster.controllers.shared import Shared
from corral.cluster.controllers.tainteviction.deadline import deadline


class TaintEvictionController(Controller):
    """A taint that is taken away in time calls the deletion off."""

    name = "taint-eviction-controller"
    workers = 8

    def __init__(self, shared: Shared) -> None:
        self._client, self._now = shared.client, shared.now
        self._events = shared.events.recorder(self.name)
        self._nodes, self._pods = shared.informers.of(NODES), shared.informers.of(PODS)
        super().__init__([self._nodes, self._pods])
        self._due: dict[str, float] = {}
        index_by_node(self._pods)
        self._pods.on_change(self._pod_changed)
        self._nodes.on_change(self._node_changed)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is None:
            self._due.pop(meta.key(old or {}), None)
        elif old is None or _place(old) != _place(new):
            self.queue.add(meta.key(new))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and (old is None or old["spec"].get("taints") != new["spec"].get("taints")):
            for pod in self._pods.indexed(BY_NODE, meta.name(new)):
                self.queue.add(meta.key(pod))

    async def reconcile(self, key: str) -> float | None:
        pod = self._pods.get(key)
        node = self._nodes.get(pod["spec"].get("nodeName", "")) if pod is not None else None
        if pod is None or node is None or meta.deleting(pod):
            return None
        now = self._now().timestamp()
        due = deadline(pod, node, self._due.get(key, now))
        if due is None:
            if self._due.pop(key, None) is not None:
                self._events.normal(pod, "TaintManagerEviction", f"Cancelling deletion of Pod {key}")
            return None
        if due > now:
            self._due.setdefault(key, now)
            return due - now
        self._events.normal(pod, "TaintManagerEviction", f"Marking for deletion Pod {key}")
        message = "Taint manager: deleting due to NoExecute taint"
        await delete_disrupted(self._client, pod, "DeletionByTaintManager", message, to_text(self._now()))
        self._due.pop(key, None)
        return None


def _place(pod: Object) -> tuple[object, object]:
    return pod["spec"].get("nodeName"), pod["spec"].get("tolerations")
