"""The controllers of ReplicaSets and ReplicationControllers: make and delete pods until there are as many as asked for.

Follows upstream's pkg/controller/replicaset.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from corral.cluster.client import meta
from corral.cluster.client.builtin import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.controllers.common.claiming import Claimer, index_owners, owned
from corral.cluster.controllers.common.objects import pod_of_template, replicas
from corral.cluster.controllers.common.podcontrol import BURST, Outcome, PodControl, namespace_is_going
from corral.cluster.controllers.common.pods import is_active, next_available
from corral.cluster.controllers.common.ranking import plan_deletions
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.replicaset.status import plan_status
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.selectors import Selector, of_labels, of_object


class Flavour(NamedTuple):
    """How the two kinds differ."""

    of: Collection
    kind: str
    component: str


REPLICA_SET = Flavour(REPLICA_SETS, "ReplicaSet", "replicaset-controller")
REPLICATION_CONTROLLER = Flavour(REPLICATION_CONTROLLERS, "ReplicationController", "replication-controller")


class ReplicaController(Controller):
    """One kind of the two."""

    def __init__(self, shared: Shared, flavour: Flavour) -> None:
        self.name = flavour.component
        self._shared, self._flavour = shared, flavour
        self._sets = shared.informers.of(flavour.of)
        self._pods = shared.informers.of(PODS)
        super().__init__([self._sets, self._pods])
        index_owners(self._pods)
        index_owners(self._sets)
        self._claimer = Claimer(shared.client, flavour.of, flavour.kind)
        self._control = PodControl(shared.client, self._pods, shared.events.recorder(flavour.component))
        self._sets.on_change(self._set_changed)
        self._pods.on_change(self._pod_changed)

    # ------------------------------------------------------------------------------------------------- what concerns

    def _set_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        for pod in (old, new):
            owner = None if pod is None else meta.controller_of(pod)
            if pod is not None and owner is not None and owner.get("kind") == self._flavour.kind:
                self.queue.add(f"{meta.namespace(pod)}/{owner['name']}")
        if new is not None and meta.controller_of(new) is None and not meta.deleting(new):
            for key in self._selecting(new, old):
                self.queue.add(key)

    def _selecting(self, pod: Object, before: Object | None) -> Iterable[str]:
        """The sets that may adopt an orphan, when it is new to them."""
        alone = before is not None and meta.controller_of(before) is None
        if alone and before is not None and before["metadata"].get("labels") == pod["metadata"].get("labels"):
            return
        labels = pod["metadata"].get("labels") or {}
        for one in self._sets.all():
            if meta.namespace(one) == meta.namespace(pod) and self._selector(one).matches(labels):
                yield meta.key(one)

    def _selector(self, owner: Object) -> Selector:
        selector = owner["spec"].get("selector")
        if self._flavour is REPLICA_SET:
            return of_object(selector)
        return of_labels(selector or {}) if selector else of_object(None)

    # ------------------------------------------------------------------------------------------------- reconciling

    async def reconcile(self, key: str) -> float | None:
        owner = self._sets.get(key)
        if owner is None:
            return None
        await self._claimer.claim(owner, self._selector(owner), self._pods)
        outcome, reason = Outcome(0), ""
        if not meta.deleting(owner):
            outcome, reason = await self._manage(owner)
        failure = (reason, str(outcome.error)) if outcome.error and not namespace_is_going(outcome.error) else None
        await self._tell(owner, failure)
        if failure is not None and outcome.error is not None:
            raise outcome.error
        min_ready = owner["spec"].get("minReadySeconds") or 0
        active = [pod for pod in owned(self._pods, owner) if is_active(pod)]
        return next_available(active, min_ready, self._shared.now())

    async def _manage(self, owner: Object) -> tuple[Outcome, str]:
        """What was done, and the reason of a condition if it failed."""
        active = [pod for pod in owned(self._pods, owner) if is_active(pod)]
        surplus = len(active) - replicas(owner)
        if surplus < 0:
            template, reference = owner["spec"].get("template") or {}, self._claimer.reference(owner)
            missing = min(-surplus, BURST)
            pods = [pod_of_template(template, owner, reference) for _ in range(missing)]
            outcome = await self._control.create_all(owner, pods)
            if outcome.error is None and missing < -surplus:
                self.queue.add(meta.key(owner))
            return outcome, "FailedCreate"
        if surplus > 0:
            related = [pod for one in self._siblings(owner) for pod in owned(self._pods, one) if is_active(pod)]
            going = plan_deletions(active, min(surplus, BURST), self._shared.now(), related)
            return await self._control.delete_all(owner, going), "FailedDelete"
        return Outcome(0), ""

    def _siblings(self, owner: Object) -> list[Object]:
        """The sets of the same Deployment, this one too."""
        controller = meta.controller_of(owner)
        return [owner] if controller is None else self._sets.indexed("owner", controller["uid"])

    async def _tell(self, owner: Object, failure: tuple[str, str] | None) -> None:
        counts_terminating = self._flavour is REPLICA_SET
        pods = owned(self._pods, owner)
        status = plan_status(owner, pods, failure, self._shared.now(), terminating=counts_terminating)
        if status != owner.get("status"):
            written = await self._shared.client.update(
                self._flavour.of, {**owner, "status": status}, subresource="status"
            )
            await self._sets.seen(written)


def make_replica_sets(shared: Shared) -> Controller:
    return ReplicaController(shared, REPLICA_SET)


def make_replication_controllers(shared: Shared) -> Controller:
    return ReplicaController(shared, REPLICATION_CONTROLLER)
