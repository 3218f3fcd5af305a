"""Writing a pod's status, whoever else has changed the pod meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from corral.cluster.client.builtin import PODS
from corral.cluster.client.protocol import Client
from corral.cluster.kubelet.lifecycle.view import View
from corral.cluster.kubelet.static.mirror import is_static
from corral.cluster.kubelet.status.facts import Facts
from corral.cluster.kubelet.status.pod import plan_status
from corral.model.kubernetes.status import StatusError

if TYPE_CHECKING:
    from corral.cluster.kubelet.worker.worker import PodWorker

Object = dict[str, Any]


async def write_status(client: Client, pod: Object, plan: Callable[[Object], Object]) -> Object | None:
    """`plan` gives the status for a pod. The pod as it is then; None where it is gone, or another of its name there.

    Nothing is written where nothing differs.
    """
    meta = pod["metadata"]
    while True:
        status = plan(pod)
        if status == (pod.get("status") or {}):
            return pod
        try:
            return await client.update(PODS, {**pod, "status": status}, subresource="status")
        except StatusError as error:
            if error.reason == "NotFound":
                return None
            if error.reason != "Conflict":
                raise
        try:
            pod = await client.get(PODS, meta["name"], meta["namespace"])
        except StatusError as error:
            if error.reason == "NotFound":
                return None
            raise
        if pod["metadata"]["uid"] != meta["uid"]:
            return None


class Reporter:
    """Belongs to one worker."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker

    def _facts(self, view: View, over: bool) -> Facts:
        worker, memory = self._worker, self._worker.memory
        return Facts(
            view=view,
            ready=frozenset(memory.ready),
            waiting=dict(memory.waiting),
            messages=memory.messages,
            images=memory.images,
            image_ids=memory.image_ids,
            resources=memory.resources,
            ips=memory.ips,
            host_ips=worker.shared.addresses,
            over=over,
            failure=memory.failure,
            disrupted=memory.disrupted,
            pending=worker.resizer.pending,
            resizing=worker.resizer.in_progress,
            resize_error=worker.resizer.error,
        )

    async def report(self, view: View, *, over: bool = False) -> None:
        """The pod's status is as `view` says. A pod that the API has no more is gone."""
        worker, facts = self._worker, self._facts(view, over)
        if is_static(worker.pod):
            worker.pod = {**worker.pod, "status": plan_status(worker.pod, facts)}
            worker.shared.show(worker.pod)
            return
        written = await write_status(worker.shared.client, worker.pod, lambda pod: plan_status(pod, facts))
        if written is None:
            worker.remove()
        else:
            worker.pod = {"kind": "Pod", "apiVersion": "v1", **written}
