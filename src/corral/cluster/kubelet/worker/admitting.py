"""Letting a pod in: asks everybody who may object, and makes room where the pod is critical."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from corral.cluster.client.builtin import NODES
from corral.cluster.kubelet.errors import NotAdmitted
from corral.cluster.kubelet.eviction.ranking import is_critical, plan_refusal
from corral.cluster.kubelet.lifecycle.admission import NODE_AFFINITY, Refusal, plan_apparmor, plan_refusals
from corral.cluster.kubelet.lifecycle.preemption import plan_victims
from corral.cluster.kubelet.lifecycle.view import View, Waiting
from corral.cluster.kubelet.worker.space import plan_space
from corral.model.kubernetes.status import StatusError

if TYPE_CHECKING:
    from corral.cluster.kubelet.worker.worker import PodWorker

Object = dict[str, Any]

UNEXPECTED = "UnexpectedAdmissionError"


class Admitter:
    """Belongs to one worker. `admitted`: it has been asked about, and takes its place unless it was refused."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self.admitted = False

    async def admit(self, view: View) -> None:
        """Once. What runs already was let in before."""
        if self.admitted:
            return
        worker, memory = self._worker, self._worker.memory
        if view.attempts or memory.space:
            self.admitted = True
            return
        try:
            await self._check()
        except NotAdmitted as error:
            self.admitted = True
            memory.failure = Waiting(error.reason, f"Pod was rejected: {error.message}")
            worker.shared.events.warning(worker.pod, error.reason, error.message)

    async def _check(self) -> None:
        """NotAdmitted."""
        shared, pod = self._worker.shared, self._worker.pod
        if refusal := plan_refusal(pod, shared.short_of()):
            raise NotAdmitted("Evicted", refusal)
        plan_space(pod, shared)  # names kernel parameters that nobody has allowed
        refusals = self._refusals(shared.node_now())
        if refusals and all(one.reason == NODE_AFFINITY for one in refusals):
            refusals = self._refusals(await self._fresh())
        await self._need_room([one for one in refusals if one.shortage is not None], refusals)
        pending = (pod.get("status") or {}).get("phase", "Pending") == "Pending"
        refusal_of_profile = plan_apparmor(pod, enabled=shared.apparmor)
        if pending and refusal_of_profile is not None:
            raise NotAdmitted(refusal_of_profile.reason, refusal_of_profile.message)
        self.admitted = True

    def _refusals(self, node: Object) -> list[Refusal]:
        worker = self._worker
        known = bool((worker.pod.get("status") or {}).get("startTime"))
        return plan_refusals(worker.pod, worker.shared.others(worker.uid), node, known=known)

    async def _fresh(self) -> Object:
        """The node may have labels that have not been heard of yet."""
        shared = self._worker.shared
        try:
            return await shared.client.get(NODES, shared.node)
        except (StatusError, OSError):
            return shared.node_now()

    async def _need_room(self, short: list[Refusal], refusals: list[Refusal]) -> None:
        """A critical pod is never refused for want of room while others can go. NotAdmitted."""
        worker, shared = self._worker, self._worker.shared
        rest = [one for one in refusals if one.shortage is None]
        if not is_critical(worker.pod):
            rest = refusals
        if rest:
            raise NotAdmitted(rest[0].reason, rest[0].message)
        if not short:
            return
        victims = plan_victims(worker.pod, shared.others(worker.uid), [one.shortage for one in short if one.shortage])
        if isinstance(victims, str):
            why = f"preemption: error finding a set of pods to preempt: {victims}"
            message = f"Unexpected error while attempting to recover from admission failure: {why}"
            raise NotAdmitted(UNEXPECTED, message)
        self.admitted = True  # what becomes free is this pod's
        await shared.preempt([one["metadata"]["uid"] for one in victims])
