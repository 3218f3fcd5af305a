"""The controller of Deployments: reads the fleet, asks the decisions next door, and writes what they say.

Follows upstream's pkg/controller/deployment. What a rollout does, as an outline: `_roll`, `_recreate`, `_scale`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from corral.cluster.client import meta
from corral.cluster.client.builtin import DEPLOYMENTS, PODS, REPLICA_SETS
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.common.claiming import Claimer, index_owners, owned
from corral.cluster.controllers.common.objects import replicas
from corral.cluster.controllers.common.podcontrol import namespace_is_going
from corral.cluster.controllers.common.pods import is_terminal
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.deployment import revisions, status
from corral.cluster.controllers.deployment.revisions import Fleet, fleet_of, size_of
from corral.cluster.controllers.deployment.rolling import grown, plan_rolling
from corral.cluster.controllers.deployment.scaling import plan_scaling
from corral.cluster.controllers.deployment.sizes import Scale, Size, bounds_of, is_rolling
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.selectors import of_object
from corral.model.kubernetes.status import StatusError

SELECTS_ALL = "This deployment is selecting all pods. A non-empty selector is required."


class DeploymentController(Controller):
    name = "deployment-controller"

    def __init__(self, shared: Shared) -> None:
        self._shared, self._client = shared, shared.client
        self._deployments = shared.informers.of(DEPLOYMENTS)
        self._sets = shared.informers.of(REPLICA_SETS)
        self._pods = shared.informers.of(PODS)
        super().__init__([self._deployments, self._sets, self._pods])
        index_owners(self._sets)
        index_owners(self._pods)
        self._claimer = Claimer(shared.client, DEPLOYMENTS, "Deployment")
        self._recorder = shared.events.recorder(self.name)
        self._deployments.on_change(self._deployment_changed)
        self._sets.on_change(self._set_changed)
        self._pods.on_change(self._pod_changed)

    # ------------------------------------------------------------------------------------------------- what concerns

    def _deployment_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.queue.add(meta.key(new))

    def _set_changed(self, old: Object | None, new: Object | None) -> None:
        for one in (old, new):
            if one is not None:
                self._add_owner(one)
        if new is not None and meta.controller_of(new) is None and not meta.deleting(new):
            labels = new["metadata"].get("labels") or {}
            for one in self._deployments.all():
                same = meta.namespace(one) == meta.namespace(new)
                if same and of_object(one["spec"].get("selector")).matches(labels):
                    self.queue.add(meta.key(one))

    def _add_owner(self, replica_set: Object) -> None:
        owner = meta.controller_of(replica_set)
        if owner is not None and owner.get("kind") == "Deployment":
            self.queue.add(f"{meta.namespace(replica_set)}/{owner['name']}")

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """The end of an old pod lets a Deployment that recreates go on."""
        if old is None or (new is not None and not is_terminal(new)):
            return
        owner = meta.controller_of(old)
        if owner is not None and owner.get("kind") == "ReplicaSet":
            replica_set = self._sets.get(f"{meta.namespace(old)}/{owner['name']}")
            if replica_set is not None:
                self._add_owner(replica_set)

    # ------------------------------------------------------------------------------------------------- reconciling

    async def reconcile(self, key: str) -> float | None:
        deployment = self._deployments.get(key)
        if deployment is None:
            return None
        selector = of_object(deployment["spec"].get("selector"))
        if not selector.requirements:
            self._recorder.warning(deployment, "SelectingAll", SELECTS_ALL)
            told = {**(deployment.get("status") or {}), "observedGeneration": deployment["metadata"].get("generation")}
            await self._tell(deployment, told)
            return None
        sets = await self._claimer.claim(deployment, selector, self._sets)
        if meta.deleting(deployment):
            return await self._settle(deployment, sets)
        paused = status.plan_paused(deployment, self._shared.now())
        if paused is not None:
            deployment = await self._tell_condition(deployment, paused)
        scaling = is_rolling(deployment) and revisions.is_scaling(deployment, sets)  # Recreate has no shares to keep
        if deployment["spec"].get("paused") or scaling:
            return await self._scale(deployment, sets)
        return await (self._roll if is_rolling(deployment) else self._recreate)(deployment, sets)

    async def _settle(self, deployment: Object, sets: Sequence[Object]) -> float | None:
        """Counts only: nothing is made and nothing moves."""
        fleet = fleet_of(deployment, sets)
        await self._tell(deployment, status.plan_counts(deployment, fleet, self._shared.now()))
        return None

    async def _scale(self, deployment: Object, sets: Sequence[Object]) -> float | None:
        """A paused Deployment scales too; no template rolls out meanwhile."""
        fleet = fleet_of(deployment, sets)
        if fleet.new is not None:
            deployment, fleet = await self._number(deployment, fleet, fleet.new)
        known = int((deployment.get("status") or {}).get("replicas") or 0)
        new = None if fleet.new is None else self._size(fleet.new, known)
        old = [self._size(one, known) for one in fleet.old]
        bounds = bounds_of(deployment)
        plan = plan_scaling(replicas(deployment), bounds, new, old, rolling=is_rolling(deployment))
        fleet = await self._resize(deployment, fleet, plan)
        if deployment["spec"].get("paused"):
            await self._clean_up(deployment, fleet)
        return await self._settle(deployment, fleet.all)

    async def _roll(self, deployment: Object, sets: Sequence[Object]) -> float | None:
        deployment, fleet = await self._with_new(deployment, fleet_of(deployment, sets))
        assert fleet.new is not None
        bounds = bounds_of(deployment)
        plan = plan_rolling(replicas(deployment), bounds, self._size(fleet.new), [self._size(one) for one in fleet.old])
        fleet = await self._resize(deployment, fleet, plan)
        return await self._finish(deployment, fleet)

    def _size(self, replica_set: Object, ceiling: int = 0) -> Size:
        return size_of(replica_set, owned(self._pods, replica_set), self._shared.now(), ceiling)

    async def _recreate(self, deployment: Object, sets: Sequence[Object]) -> float | None:
        """The old pods go, and only when the last is gone the new ones come."""
        fleet = fleet_of(deployment, sets)
        going = [Scale(meta.name(one), 0) for one in fleet.old if replicas(one) > 0]
        fleet = await self._resize(deployment, fleet, going)
        if not going and not self._any_runs(fleet.old):
            deployment, fleet = await self._with_new(deployment, fleet)
            assert fleet.new is not None
            fleet = await self._resize(deployment, fleet, [Scale(meta.name(fleet.new), replicas(deployment))])
        elif fleet.new is not None:
            deployment, fleet = await self._number(deployment, fleet, fleet.new)
        return await self._finish(deployment, fleet)

    def _any_runs(self, sets: Iterable[Object]) -> bool:
        return any(not is_terminal(pod) for one in sets for pod in owned(self._pods, one))

    async def _finish(self, deployment: Object, fleet: Fleet) -> float | None:
        if status.is_complete(deployment, deployment.get("status") or {}):
            await self._clean_up(deployment, fleet)
        now = self._shared.now()
        told = status.plan_status(deployment, fleet, now)
        await self._tell(deployment, told)
        return status.check_again(deployment, told, now)

    # ------------------------------------------------------------------------------------------------- the new one

    async def _with_new(self, deployment: Object, fleet: Fleet) -> tuple[Object, Fleet]:
        """The fleet with a new ReplicaSet, made if there is none."""
        if fleet.new is not None:
            return await self._number(deployment, fleet, fleet.new)
        made = await self._make_new(deployment, fleet)
        text = f'Created new replica set "{meta.name(made)}"'
        deployment = await self._note_new(deployment, made, status.CREATED, text, always=True)
        return deployment, Fleet(made, fleet.old)

    async def _number(self, deployment: Object, fleet: Fleet, new: Object) -> tuple[Object, Fleet]:
        """The new ReplicaSet is the latest revision, also if it was an earlier one before."""
        annotations = revisions.new_annotations(deployment, new, revisions.next_revision(fleet.old))
        min_ready = deployment["spec"].get("minReadySeconds") or 0
        had = new["metadata"].get("annotations") or {}
        if annotations != had or min_ready != (new["spec"].get("minReadySeconds") or 0):
            spec = {**new["spec"], "minReadySeconds": min_ready}
            new = await self._write_set(
                {**new, "metadata": {**new["metadata"], "annotations": annotations}, "spec": spec}
            )
        deployment = await self._note_new(deployment, new, status.FOUND, f'Found new replica set "{meta.name(new)}"')
        return deployment, Fleet(new, fleet.old)

    async def _note_new(
        self, deployment: Object, new: Object, reason: str, text: str, *, always: bool = False
    ) -> Object:
        """The Deployment, with its revision and that it has begun."""
        known = deployment.get("status") or {}
        told = list(known.get("conditions") or ())
        begun = any(one["type"] == status.PROGRESSING for one in told)
        if status.deadline(deployment) is not None and (always or not begun):
            told = status.set_condition(
                told, status.condition(status.PROGRESSING, True, reason, text, self._shared.now())
            )
        annotations = dict(deployment["metadata"].get("annotations") or {})
        annotations[revisions.REVISION] = str(revisions.revision(new))
        changed = {**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}}
        after = {**known, "conditions": told} if told else known
        return await self._tell(changed, after, before=deployment)

    async def _make_new(self, deployment: Object, fleet: Fleet) -> Object:
        """Raises StatusError; a name that another template has got is another one the next time."""
        wanted, bounds = replicas(deployment), bounds_of(deployment)
        others = sum(map(replicas, fleet.old))
        size = grown(wanted, bounds, 0, others) if is_rolling(deployment) else wanted
        number, ceiling = revisions.next_revision(fleet.old), wanted + bounds.surge
        new = revisions.new_replica_set(deployment, self._claimer.reference(deployment), size, number, ceiling)
        try:
            made = await self._client.create(REPLICA_SETS, new)
        except StatusError as error:
            made = await self._not_made(deployment, new, error)
        else:
            if size > 0:
                self._recorder.normal(
                    deployment, "ScalingReplicaSet", f"Scaled up replica set {meta.name(made)} from 0 to {size}"
                )
        await self._sets.seen(made)
        return made

    async def _not_made(self, deployment: Object, new: Object, error: StatusError) -> Object:
        """The ReplicaSet that was there before (we were killed in between); otherwise raises the error."""
        if error.reason == "AlreadyExists":
            there = await self._client.get(REPLICA_SETS, meta.name(new), meta.namespace(new))
            same = revisions.template_bytes(there["spec"]["template"]) == revisions.template_bytes(
                new["spec"]["template"]
            )
            if same and meta.controlled_by(there, deployment):
                return there
            known = deployment.get("status") or {}
            await self._tell(deployment, {**known, "collisionCount": int(known.get("collisionCount") or 0) + 1})
        elif not namespace_is_going(error) and status.deadline(deployment) is not None:
            text = f'Failed to create new replica set "{meta.name(new)}": {error}'
            condition = status.condition(status.PROGRESSING, False, status.FAILED, text, self._shared.now())
            await self._tell_condition(deployment, condition)
        raise error

    # ------------------------------------------------------------------------------------------------- writing

    async def _resize(self, deployment: Object, fleet: Fleet, plan: Iterable[Scale]) -> Fleet:
        """The fleet, with the sizes of the plan."""
        sizes = {one.name: one.replicas for one in plan}
        ceiling = replicas(deployment) + bounds_of(deployment).surge
        wanted = revisions.size_annotations(replicas(deployment), ceiling)
        new = fleet.new
        if new is not None and meta.name(new) in sizes:
            new = await self._resize_one(deployment, new, sizes[meta.name(new)], wanted)
        old = []
        for one in fleet.old:
            size = sizes.get(meta.name(one))
            old.append(one if size is None else await self._resize_one(deployment, one, size, wanted))
        return Fleet(new, old)

    async def _resize_one(self, deployment: Object, one: Object, size: int, wanted: dict[str, str]) -> Object:
        annotations, before = one["metadata"].get("annotations") or {}, replicas(one)
        if size == before and wanted.items() <= annotations.items():
            return one
        metadata = {**one["metadata"], "annotations": {**annotations, **wanted}}
        written = await self._write_set({**one, "metadata": metadata, "spec": {**one["spec"], "replicas": size}})
        if size != before:
            way = "up" if size > before else "down"
            text = f"Scaled {way} replica set {meta.name(one)} from {before} to {size}"
            self._recorder.normal(deployment, "ScalingReplicaSet", text)
        return written

    async def _write_set(self, replica_set: Object) -> Object:
        written = await self._client.update(REPLICA_SETS, replica_set)
        await self._sets.seen(written)
        return written

    async def _clean_up(self, deployment: Object, fleet: Fleet) -> None:
        for one in revisions.plan_cleanup(deployment, fleet.old):
            options = {"preconditions": {"uid": meta.uid(one)}, "propagationPolicy": "Background"}
            try:
                gone = await self._client.delete(REPLICA_SETS, meta.name(one), meta.namespace(one), options=options)
            except StatusError as error:
                if error.reason not in ("NotFound", "Conflict"):
                    raise
            else:
                await self._sets.seen(gone)

    async def _tell_condition(self, deployment: Object, condition: Object) -> Object:
        known = deployment.get("status") or {}
        told = status.set_condition(known.get("conditions") or [], condition)
        return await self._tell(deployment, {**known, "conditions": told})

    async def _tell(self, deployment: Object, told: Object, before: Object | None = None) -> Object:
        """The Deployment with this status, written if it or (`before`) the annotations differ."""
        same = before is None or before["metadata"].get("annotations") == deployment["metadata"].get("annotations")
        if same and told == (deployment.get("status") or {}):
            return deployment
        written = await self._client.update(DEPLOYMENTS, {**deployment, "status": told}, subresource="status")
        await self._deployments.seen(written)
        return written
