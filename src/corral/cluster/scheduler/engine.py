"""Engine: the snapshot, kept up from informers, and what decides with it. Its import loads NumPy."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from corral.cluster.client import meta
from corral.cluster.client.builtin import (
    BUDGETS,
    CLAIMS,
    CSI_CAPACITIES,
    CSI_DRIVERS,
    CSI_NODES,
    DEVICE_CLASSES,
    DEVICE_TAINT_RULES,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    SERVICES,
    STATEFUL_SETS,
    STORAGE_CLASSES,
    VOLUMES,
)
from corral.cluster.client.informers import Informers
from corral.cluster.scheduler import moves
from corral.cluster.scheduler.belonging import Belonging
from corral.cluster.scheduler.cycle import Decision, decide
from corral.cluster.scheduler.devices.state import ClaimPlan, Devices, freed
from corral.cluster.scheduler.diagnosis import Diagnosis
from corral.cluster.scheduler.framework import Hints, Rules
from corral.cluster.scheduler.neighbours import may_help
from corral.cluster.scheduler.plugins import volume_binding
from corral.cluster.scheduler.plugins.registry import PLUGINS
from corral.cluster.scheduler.pods.footprint import same_footprint
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.preemption import Limits, Preemption, Question, plan_preemption
from corral.cluster.scheduler.settings import Profile, Settings
from corral.cluster.scheduler.snapshot.snapshot import Snapshot
from corral.cluster.scheduler.storage.plan import VolumePlan

Object = dict[str, Any]
Put = Callable[[Object | None, Object | None], None]


class Engine:
    """`changed` is told each change of the cluster by its name in `moves`, and whom it may help."""

    def __init__(
        self,
        informers: Informers,
        settings: Settings,
        changed: Callable[[str, moves.Helps], object],
        drawn: random.Random,
    ) -> None:
        self.snapshot = Snapshot()
        self.rules = {one.name: rules_of(one) for one in settings.profiles}
        self.nominated: dict[str, tuple[Pod, str]] = {}
        self.assumed: set[str] = set()
        self._changed, self._drawn, self._start = changed, drawn, 0
        self._informers = informers
        self._profiles = {one.name: one for one in settings.profiles}
        self._limits = Limits(settings.candidates_percentage, settings.fewest_candidates)
        self.budgets = informers.of(BUDGETS)
        self._belonging = Belonging(
            informers.of(SERVICES),
            {
                "ReplicaSet": informers.of(REPLICA_SETS),
                "ReplicationController": informers.of(REPLICATION_CONTROLLERS),
                "StatefulSet": informers.of(STATEFUL_SETS),
            },
        )
        self._follow(informers)

    def _follow(self, informers: Informers) -> None:
        storage = self.snapshot.storage
        informers.of(NAMESPACES).on_change(self._namespace_changed)
        informers.of(NODES).on_change(self._node_changed)
        for collection, into, change in (
            (CLAIMS, storage.claims, moves.CLAIM),
            (VOLUMES, storage.volumes, moves.VOLUME),
            (STORAGE_CLASSES, storage.classes, moves.STORAGE_CLASS),
            (CSI_NODES, storage.csi_nodes, moves.CSI_NODE),
            (CSI_DRIVERS, storage.drivers, moves.CSI_STORAGE),
            (CSI_CAPACITIES, storage.capacities, moves.CSI_STORAGE),
        ):
            informers.of(collection).on_change(partial(self._storage_changed, into, change))
        for collection, put, change in (
            (RESOURCE_CLAIMS, self.devices.put_claim, moves.RESOURCE_CLAIM),
            (RESOURCE_SLICES, self.devices.put_slice, moves.RESOURCE_SLICE),
            (DEVICE_TAINT_RULES, self.devices.put_rule, moves.RESOURCE_SLICE),
            (DEVICE_CLASSES, self.devices.put_class, moves.DEVICE_CLASS),
        ):
            informers.of(collection).on_change(partial(self._device_changed, put, change))
        informers.of(PODS).on_change(self._pod_changed)

    async def synced(self) -> None:
        await self._informers.synced()

    # --------------------------------------------------------------------------------------------- what is heard

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None:
            self.snapshot.put_node(new)
        elif old is not None:
            self.snapshot.remove_node(meta.name(old))
        for change in moves.node_changes(old, new):
            self._changed(change, moves.always)

    def _namespace_changed(self, old: Object | None, new: Object | None) -> None:
        obj = new or old or {}
        self.snapshot.put_namespace(meta.name(obj), (new["metadata"].get("labels") or {}) if new else None)
        if old is not None and new is not None and old["metadata"].get("labels") != new["metadata"].get("labels"):
            self._changed(moves.NAMESPACE, moves.always)

    def _storage_changed(self, into: dict[str, Object], change: str, old: Object | None, new: Object | None) -> None:
        self.snapshot.storage.put(into, old, new)
        self._changed(change, moves.always)

    def _device_changed(self, put: Put, change: str, old: Object | None, new: Object | None) -> None:
        put(old, new)
        if change != moves.RESOURCE_CLAIM or freed(old, new):
            self._changed(change, moves.always)

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and old is not None and meta.uid(old) != meta.uid(new):
            self._forget_pod(meta.uid(old))
        if new is None:
            self._forget_pod(meta.uid(old or {"metadata": {}}))
        else:
            self._put_pod(new)
        for change in moves.pod_changes(old, new):
            self._changed(change, partial(may_help, change, old, new, self.snapshot.namespace_labels))

    def _put_pod(self, obj: Object) -> None:
        uid, node = meta.uid(obj), obj["spec"].get("nodeName") or ""
        status = obj.get("status") or {}
        if status.get("phase") in ("Succeeded", "Failed"):
            self._forget_pod(uid)
        elif node:
            self.nominated.pop(uid, None)
            self.assumed.discard(uid)
            known = self.snapshot.pods.get(uid)
            if known is not None and self.snapshot.nodes.names[known[1]] == node and same_footprint(known[0].obj, obj):
                known[0].renew(obj)
            else:
                self.snapshot.put_pod(Pod(obj), node)
        elif status.get("nominatedNodeName"):
            self.nominated[uid] = (Pod(obj), status["nominatedNodeName"])
        else:
            self.nominated.pop(uid, None)

    def _forget_pod(self, uid: str) -> None:
        self.nominated.pop(uid, None)
        self.assumed.discard(uid)
        self.snapshot.remove_pod(uid)

    # ------------------------------------------------------------------------------------------------- deciding

    def choose(self, below: int) -> int:
        return self._drawn.randrange(below)

    def rivals(self, pod: Pod) -> list[tuple[Pod, str]]:
        """Pods no less important that wait for room on a node."""
        return [
            (one, node)
            for uid, (one, node) in self.nominated.items()
            if uid != pod.uid and uid not in self.snapshot.pods and one.priority >= pod.priority
        ]

    def hints(self, pod: Pod) -> Hints:
        return Hints() if pod.rules.spread else Hints(self._belonging.kind(pod))

    def decide(self, pod: Pod) -> Decision:
        rules = self.rules[pod.scheduler]
        made = decide(self.snapshot, pod, rules, self.choose, self._start, self.rivals(pod), self.hints(pod))
        self._start = made.next
        return made

    def preempt(self, pod: Pod, diagnosis: Diagnosis) -> Preemption | None:
        """Who must go for the pod; None if its profile drives nobody out."""
        if not self._profiles[pod.scheduler].preempts:
            return None
        rules = self.rules[pod.scheduler]
        budgets = list(self.budgets.all())
        asked = Question(self.snapshot, pod, rules, diagnosis, budgets, self.rivals(pod), self.hints(pod))
        return plan_preemption(asked, self.choose, self._limits)

    def nominate(self, pod: Pod, node: str) -> list[Pod]:
        """The pod waits for room on that node; less important pods that did so, and have to look elsewhere."""
        beaten = [one for one, at in self.nominated.values() if at == node and one.priority < pod.priority]
        for one in beaten:
            self.nominated.pop(one.uid, None)
        self.nominated[pod.uid] = (pod, node)
        return beaten

    def read(self, obj: Object) -> Pod:
        return Pod(obj)

    def plan_volumes(self, pod: Pod, node: str) -> VolumePlan | None:
        """What must be written for the pod's claims before it may go to the node; None if nothing."""
        if not pod.claims:
            return None
        storage, nodes = self.snapshot.storage, self.snapshot.nodes
        made = volume_binding.plan(pod, storage, nodes, nodes.row_of[node])
        return made if made is not None and (made.bind or made.provision) else None

    @property
    def devices(self) -> Devices:
        return self.snapshot.devices

    def plan_claims(self, pod: Pod, node: str) -> ClaimPlan | None:
        """What must be written for the pod's claims of devices; None if it has none. CannotAllocate, Waits."""
        return self.devices.plan(pod.obj, self.snapshot.objects[node])

    def assume(self, pod: Pod, node: str, volumes: VolumePlan | None = None, claims: ClaimPlan | None = None) -> None:
        """The pod counts as if it were there already; `forget` takes that back, the informer makes it true."""
        self.snapshot.put_pod(pod, node)
        self.assumed.add(pod.uid)
        for claim, volume in volumes.bind if volumes is not None else ():
            self.snapshot.storage.promise(meta.name(volume), meta.key(claim))
        if claims is not None:
            self.devices.promise(claims)

    def forget(self, pod: Pod, volumes: VolumePlan | None = None, claims: ClaimPlan | None = None) -> None:
        self.settle(volumes, claims)
        if pod.uid in self.assumed:
            self.assumed.discard(pod.uid)
            self.snapshot.remove_pod(pod.uid)

    def settle(self, volumes: VolumePlan | None, claims: ClaimPlan | None = None) -> None:
        """What was promised of volumes and devices has come true, or will not."""
        if claims is not None:
            self.devices.take_back(claims)
        for _, volume in volumes.bind if volumes is not None else ():
            self.snapshot.storage.take_back(meta.name(volume))


def rules_of(profile: Profile) -> Rules:
    """Pure: the plugins as the profile wants them. InvalidInput would have been raised when it was read."""
    plugins = []
    for one in PLUGINS.values():
        if one.name in profile.no_filter:
            one = replace(one, filter=None, prefilter=None)
        if one.name in profile.no_score:
            one = replace(one, score=None)
        plugins.append(replace(one, weight=profile.weights.get(one.name, one.weight)))
    return Rules(
        profile.name,
        tuple(plugins),
        profile.percentage,
        profile.hard_affinity_weight,
        profile.default_spread,
        profile.added_affinity,
        profile.strategy,
    )
