"""The objects that a binding consists of: four writes, each of which can be the last before the power goes. Pure.

Follows k8s.io/kubernetes/pkg/controller/volume/persistentvolume.
"""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.model.kubernetes.volumes import is_for

DONE: Final = "pv.kubernetes.io/bind-completed"
BY_CONTROLLER: Final = "pv.kubernetes.io/bound-by-controller"
PROVISIONED_BY: Final = "pv.kubernetes.io/provisioned-by"
PROVISIONER: Final = "volume.kubernetes.io/storage-provisioner"
OLD_PROVISIONER: Final = "volume.beta.kubernetes.io/storage-provisioner"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"


def note(obj: Object, name: str) -> str:
    """An annotation; "" for none."""
    return str((obj["metadata"].get("annotations") or {}).get(name, ""))


def noted(obj: Object, notes: dict[str, str | None]) -> Object:
    """The object with these annotations; None takes one away.

    >>> noted({"metadata": {"annotations": {"a": "1"}}}, {"a": None, "b": "2"})
    {'metadata': {'annotations': {'b': '2'}}}
    """
    found = {**(obj["metadata"].get("annotations") or {}), **notes}
    kept = {key: value for key, value in found.items() if value is not None}
    return {**obj, "metadata": {**obj["metadata"], "annotations": kept}}


def claim_reference(claim: Object) -> Object:
    return {
        "kind": "PersistentVolumeClaim",
        "namespace": meta.namespace(claim),
        "name": meta.name(claim),
        "uid": meta.uid(claim),
        "apiVersion": "v1",
        "resourceVersion": claim["metadata"].get("resourceVersion", ""),
    }


def bound_volume(volume: Object, claim: Object) -> Object | None:
    """The volume that names the claim; None when it does.

    >>> claim = {"metadata": {"namespace": "a", "name": "data", "uid": "1"}}
    >>> found = bound_volume({"metadata": {}, "spec": {}}, claim)
    >>> found["spec"]["claimRef"]["uid"], bound_volume(found, claim)
    ('1', None)
    """
    before = volume["spec"].get("claimRef")
    if before and before.get("uid") == meta.uid(claim) and is_for(volume, claim):
        return None
    made = {**volume, "spec": {**volume["spec"], "claimRef": claim_reference(claim)}}
    return made if before else noted(made, {BY_CONTROLLER: "yes"})


def bound_claim(claim: Object, volume: Object) -> Object | None:
    """The claim that names the volume; None when it does."""
    notes: dict[str, str | None] = {}
    changed = claim
    if claim["spec"].get("volumeName") != meta.name(volume):
        changed = {**claim, "spec": {**claim["spec"], "volumeName": meta.name(volume)}}
        notes[BY_CONTROLLER] = "yes"
    if not note(claim, DONE):
        notes[DONE] = "yes"
    return noted(changed, notes) if notes else None


def claim_status(claim: Object, phase: str, volume: Object | None) -> Object | None:
    """The claim in this phase, with what the volume gives; None when it is so."""
    before = claim.get("status") or {}
    status: dict[str, Any] = {**before, "phase": phase}
    for field in ("accessModes", "capacity"):
        if volume is None:
            status.pop(field, None)
        elif field == "accessModes" or before.get("phase") != "Bound" or field not in before:
            status[field] = volume["spec"].get(field) or ([] if field == "accessModes" else {})
    return None if status == before else {**claim, "status": status}


def volume_status(volume: Object, phase: str, moment: str, message: str = "", reason: str = "") -> Object | None:
    """The volume in this phase; None when it is so.

    >>> volume_status({"status": {"phase": "Available"}}, "Bound", "now")["status"]
    {'phase': 'Bound', 'lastPhaseTransitionTime': 'now'}
    """
    before = volume.get("status") or {}
    said = {key: text for key, text in (("message", message), ("reason", reason)) if text}
    if before.get("phase") == phase and all(before.get(key) == text for key, text in said.items()):
        return None
    moved = {} if before.get("phase") == phase else {"lastPhaseTransitionTime": moment}
    kept = {key: value for key, value in before.items() if key not in ("message", "reason")}
    return {**volume, "status": {**kept, "phase": phase, **said, **moved}}


def released_by(volume: Object) -> Object:
    """The volume as it was before a claim that never came to have it."""
    spec = dict(volume["spec"])
    if note(volume, BY_CONTROLLER):
        spec.pop("claimRef", None)
        return noted({**volume, "spec": spec}, {BY_CONTROLLER: None})
    spec["claimRef"] = {key: value for key, value in spec["claimRef"].items() if key not in ("uid", "resourceVersion")}
    return {**volume, "spec": spec}
