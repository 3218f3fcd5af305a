"""The controller of PodDisruptionBudgets: counts pods and says how many may be evicted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corral.cluster.client import meta
from corral.cluster.client.builtin import (
    BUDGETS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)
from corral.cluster.client.protocol import Object
from corral.cluster.client.times import to_text
from corral.cluster.controllers.common import conditions
from corral.cluster.controllers.common.objects import replicas
from corral.cluster.controllers.common.scales import Scales
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.disruption.counting import (
    count_healthy,
    needs_scale,
    plan_disrupted,
    plan_failure,
    plan_need,
    plan_status,
    stale_target_in,
)
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.selectors import Selector, of_object
from corral.model.kubernetes.status import StatusError

_POD = "pod:"  # keys of pods that were told they would go
_UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of "
    "the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please "
    'set ".spec.minAvailable" field of the PDB to an integer value.'
)


class Unknown(Exception):
    """How many pods there should be, nobody can say."""


class DisruptionController(Controller):
    name = "disruption-controller"

    def __init__(self, shared: Shared) -> None:
        self._shared, self._client = shared, shared.client
        self._budgets, self._pods = shared.informers.of(BUDGETS), shared.informers.of(PODS)
        self._owners = {
            "Deployment": shared.informers.of(DEPLOYMENTS),
            "ReplicaSet": shared.informers.of(REPLICA_SETS),
            "ReplicationController": shared.informers.of(REPLICATION_CONTROLLERS),
            "StatefulSet": shared.informers.of(STATEFUL_SETS),
        }
        super().__init__([self._budgets, self._pods, *self._owners.values()])
        self._scales = Scales(shared.client)
        self._recorder = shared.events.recorder("controllermanager")
        self._budgets.on_change(self._budget_changed)
        self._pods.on_change(self._pod_changed)
        for owners in self._owners.values():
            owners.on_change(self._owner_changed)

    # ------------------------------------------------------------------------------------------------- what concerns

    def _budget_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            for budget in self._budgets_of(pod) if pod is not None else ():
                self.queue.add(meta.key(budget))
        if new is not None and stale_target_in(new, self._shared.now()) is not None:
            self.queue.add(_POD + meta.key(new))

    def _budgets_of(self, pod: Object) -> Iterable[Object]:
        labels = pod["metadata"].get("labels") or {}
        for budget in self._budgets.all():
            if meta.namespace(budget) == meta.namespace(pod) and _selector(budget).matches(labels):
                yield budget

    def _owner_changed(self, old: Object | None, new: Object | None) -> None:
        """Another size changes what a budget expects."""
        if old is None or new is None or replicas(old) == replicas(new):
            return
        for budget in self._budgets.all():
            if meta.namespace(budget) == meta.namespace(new) and needs_scale(budget):
                self.queue.add(meta.key(budget))

    # ------------------------------------------------------------------------------------------------- reconciling

    async def reconcile(self, key: str) -> float | None:
        if key.startswith(_POD):
            return await self._clear_target(key.removeprefix(_POD))
        budget = self._budgets.get(key)
        if budget is None:
            return None
        selector, now = _selector(budget), self._shared.now()
        pods = [
            pod
            for pod in self._pods.all()
            if meta.namespace(pod) == meta.namespace(budget) and selector.matches(pod["metadata"].get("labels") or {})
        ]
        if not pods:
            self._recorder.normal(budget, "NoPods", "No matching pods found")
        try:
            scale = await self._scale(budget, pods) if needs_scale(budget) else 0
        except Unknown as error:
            text = f"Failed to calculate the number of expected pods: {error}"
            self._recorder.warning(budget, "CalculateExpectedPodCountFailed", text)
            await self._tell(budget, plan_failure(budget, str(error), now))
            return None
        disrupted = plan_disrupted(budget, pods, now)
        for pod in disrupted.overdue:
            text = f"Pod was expected by PDB {meta.key(budget)} to be deleted but it wasn't"
            self._recorder.warning(pod, "NotDeleted", text)
        healthy = count_healthy(pods, disrupted.pods)
        need = plan_need(budget, len(pods), scale)
        await self._tell(budget, plan_status(budget, need, healthy, disrupted.pods, now))
        return disrupted.again

    async def _scale(self, budget: Object, pods: Sequence[Object]) -> int:
        """How many pods their controllers want. Raises Unknown."""
        found: dict[str, int] = {}
        alone = []
        for pod in pods:
            owner = meta.controller_of(pod)
            if owner is None:
                alone.append(pod)
            elif owner["uid"] not in found:
                uid, size = await self._owner_scale(pod, owner)
                found[uid] = size
        if alone:
            selector = str(_selector(budget))
            self._recorder.warning(budget, "UnmanagedPods", _UNMANAGED.format(selector))
        return sum(found.values())

    async def _owner_scale(self, pod: Object, owner: Object) -> tuple[str, int]:
        """(uid, size) of a pod's controller; of a ReplicaSet of a Deployment that Deployment's."""
        namespace = meta.namespace(pod)
        known = self._owners.get(owner["kind"])
        if known is not None:
            there = known.get(f"{namespace}/{owner['name']}")
            if there is None or meta.uid(there) != owner["uid"]:
                raise Unknown(f'found no controllers for pod "{meta.name(pod)}"')
            above = meta.controller_of(there)
            if owner["kind"] == "ReplicaSet" and above is not None and above.get("kind") == "Deployment":
                return await self._owner_scale(pod, above)
            return meta.uid(there), replicas(there)
        try:
            scale = await self._scales.get(owner["apiVersion"], owner["kind"], owner["name"], namespace)
        except StatusError as error:
            raise Unknown(str(error)) from error
        return owner["uid"], int((scale.get("spec") or {}).get("replicas") or 0)

    async def _tell(self, budget: Object, status: Object) -> None:
        if status != budget.get("status"):
            written = await self._client.update(BUDGETS, {**budget, "status": status}, subresource="status")
            await self._budgets.seen(written)

    async def _clear_target(self, key: str) -> float | None:
        """A pod that was to be disrupted and was not is told so."""
        pod = self._pods.get(key)
        left = None if pod is None else stale_target_in(pod, self._shared.now())
        if pod is None or left is None or left > 0:
            return left
        now = to_text(self._shared.now())
        known = pod["status"]["conditions"]
        over = {"type": "DisruptionTarget", "status": "False", "lastTransitionTime": now}
        status = {**pod["status"], "conditions": [*conditions.without(known, "DisruptionTarget"), over]}
        await self._pods.seen(await self._client.update(PODS, {**pod, "status": status}, subresource="status"))
        return None


def _selector(budget: Object) -> Selector:
    return of_object((budget.get("spec") or {}).get("selector"))
