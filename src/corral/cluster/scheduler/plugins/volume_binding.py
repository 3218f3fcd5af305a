"""VolumeBinding: a pod goes where its volumes can be had. Claims that wait for their pod get a volume with the node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from corral.cluster.client import meta
from corral.cluster.scheduler.framework import Cycle, Plugin, Rejection, Verdict
from corral.cluster.scheduler.plugins import node_affinity, storage_capacity
from corral.cluster.scheduler.pods import terms
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.snapshot.arrays import Mask
from corral.cluster.scheduler.snapshot.nodes import Nodes
from corral.cluster.scheduler.storage.plan import VolumePlan
from corral.cluster.scheduler.storage.storage import NO_PROVISIONER, SELECTED_NODE, Storage, is_bound
from corral.model.kubernetes.volumes import asked, class_of, find_volume

Object = dict[str, Any]

UNBOUND: Final = "pod has unbound immediate PersistentVolumeClaims"
NOT_REACHED: Final = "node(s) didn't match PersistentVolume's node affinity"
NO_VOLUME: Final = "node(s) didn't find available persistent volumes to bind"
NO_SPACE: Final = "node(s) did not have enough free storage"
NO_SUCH_VOLUME: Final = "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)"


class Claims(NamedTuple):
    """A pod's claims: with a volume, without one until the pod has a node, and without one though they should have."""

    bound: list[Object]
    waiting: list[Object]
    unbound: list[Object]


def claims_of(pod: Pod, storage: Storage) -> Claims:
    """Pure: all of them exist."""
    found = Claims([], [], [])
    for name in pod.claims:
        claim = storage.claims[f"{pod.namespace}/{name}"]
        if is_bound(claim):
            found.bound.append(claim)
        elif storage.waits(claim) and not claim["spec"].get("volumeName"):
            found.waiting.append(claim)
        else:
            found.unbound.append(claim)
    return found


def prefilter(cycle: Cycle) -> Rejection | None:
    pod, storage = cycle.pod, cycle.snapshot.storage
    for name, ephemeral in pod.claim_sources:
        claim = storage.claims.get(f"{pod.namespace}/{name}")
        if claim is None:
            waits = f'waiting for ephemeral volume controller to create the persistentvolumeclaim "{name}"'
            return Rejection(waits if ephemeral else f'persistentvolumeclaim "{name}" not found')
        if (claim.get("status") or {}).get("phase") == "Lost":
            gone = claim["spec"].get("volumeName", "")
            return Rejection(f'persistentvolumeclaim "{name}" bound to non-existent persistentvolume "{gone}"')
        if meta.deleting(claim):
            return Rejection(f'persistentvolumeclaim "{name}" is being deleted')
    return Rejection(UNBOUND) if claims_of(pod, storage).unbound else None


def filter(cycle: Cycle) -> Iterator[Verdict]:
    if not cycle.pod.claims:
        return
    storage, nodes = cycle.snapshot.storage, cycle.nodes
    found = claims_of(cycle.pod, storage)
    volumes = [storage.volumes.get(claim["spec"]["volumeName"]) for claim in found.bound]
    if None in volumes:
        yield Verdict(cycle.all(), NO_SUCH_VOLUME)
    for volume in volumes:
        if volume is not None:
            yield Verdict(cycle.of(~reached(nodes, volume)), NOT_REACHED)
    if found.waiting:
        yield Verdict(~_bindable(cycle, found.waiting, roomy=False), NO_VOLUME)
        if any(storage_capacity.with_room(claim, storage, nodes) is not None for claim in found.waiting):
            yield Verdict(~_bindable(cycle, found.waiting, roomy=True), NO_SPACE)


def _bindable(cycle: Cycle, waiting: list[Object], *, roomy: bool) -> Mask:
    """Where the waiting claims can have volumes; `roomy`: those to be made need room, as their driver tells it.

    Nodes are looked at one by one only if there are volumes to choose.
    """
    storage, nodes = cycle.snapshot.storage, cycle.nodes
    classes = {class_of(claim) for claim in waiting}
    if not any(class_of(one) in classes for one in storage.volumes.values()):
        found = nodes.present
        for claim in waiting:
            found = found & _provisionable(claim, storage, nodes, roomy=roomy)
        return cycle.of(found)
    rows = np.arange(cycle.count) if isinstance(cycle.rows, slice) else cycle.rows
    present = nodes.present

    def fits(row: int) -> bool:
        return bool(present[row]) and plan(cycle.pod, storage, nodes, row, roomy=roomy) is not None

    return np.array([fits(int(row)) for row in rows], np.bool_)


def reached(nodes: Nodes, volume: Object) -> Mask:
    """The rows from which a volume can be used."""
    rule = (volume["spec"].get("nodeAffinity") or {}).get("required")
    given = terms.node_terms(rule)
    return np.ones(nodes.rows, np.bool_) if given is None else node_affinity.any_of(nodes, given)


def plan(pod: Pod, storage: Storage, nodes: Nodes, row: int, *, roomy: bool = True) -> VolumePlan | None:
    """Pure: how the waiting claims get volumes at this node; None if they cannot."""
    made = VolumePlan([], [])
    promised = dict(storage.promised)
    for claim in sorted(claims_of(pod, storage).waiting, key=asked):
        volume = None
        if not _selected(claim):
            some = [one for one in storage.volumes.values() if class_of(one) == class_of(claim)]
            volume = find_volume(claim, some, promised=promised, reachable=lambda one: bool(reached(nodes, one)[row]))
        if volume is not None:
            promised[meta.name(volume)] = meta.key(claim)
            made.bind.append((claim, volume))
        elif _provisionable(claim, storage, nodes, roomy=roomy)[row]:
            made.provision.append(claim)
        else:
            return None
    return made


def _selected(claim: Object) -> str:
    """The node at which a volume is being made for the claim."""
    return (claim["metadata"].get("annotations") or {}).get(SELECTED_NODE) or ""


def _provisionable(claim: Object, storage: Storage, nodes: Nodes, *, roomy: bool) -> Mask:
    """At which rows a volume can be made for the claim, by its class, or is being made already."""
    kind = storage.class_of(claim)
    if kind is None or kind.get("provisioner", NO_PROVISIONER) == NO_PROVISIONER:
        return np.zeros(nodes.rows, np.bool_)
    found = np.ones(nodes.rows, np.bool_)
    if selected := _selected(claim):
        found[:] = False
        found[[nodes.row_of[selected]] if selected in nodes.row_of else []] = True
    if allowed := kind.get("allowedTopologies"):
        terms_of = [[{**one, "operator": "In"} for one in term["matchLabelExpressions"]] for term in allowed]
        found &= node_affinity.any_of(nodes, [terms.node_term({"matchExpressions": one}) for one in terms_of])
    if roomy and (room := storage_capacity.with_room(claim, storage, nodes)) is not None:
        found &= room
    return found


PLUGIN: Final = Plugin("VolumeBinding", filter, prefilter)
