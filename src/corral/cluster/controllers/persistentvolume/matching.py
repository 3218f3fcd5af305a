"""Which volume a claim can have. Pure. Follows k8s.io/component-helpers/storage/volume."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.model.kubernetes import quantity
from corral.model.kubernetes.selectors.objects import of_object

CLASS: Final = "volume.beta.kubernetes.io/storage-class"


def class_of(obj: Object) -> str:
    """The storage class of a claim or a volume; "" for none."""
    old = (obj["metadata"].get("annotations") or {}).get(CLASS)
    return str(old if old is not None else obj["spec"].get("storageClassName") or "")


def asked(claim: Object) -> quantity.Quantity:
    return quantity.of_json(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage"))


def capacity(volume: Object) -> quantity.Quantity:
    return quantity.of_json((volume["spec"].get("capacity") or {}).get("storage"))


def is_for(volume: Object, claim: Object) -> bool:
    """Whether the volume names this claim. A name without a uid is a wish, of whoever made the volume.

    >>> claim = {"metadata": {"namespace": "a", "name": "data", "uid": "1"}}
    >>> named = {"namespace": "a", "name": "data"}
    >>> [is_for({"spec": {"claimRef": {**named, "uid": uid}}}, claim) for uid in ("", "1", "2")]
    [True, True, False]
    """
    found = volume["spec"].get("claimRef")
    if not found or (found.get("namespace"), found.get("name")) != (meta.namespace(claim), meta.name(claim)):
        return False
    return not found.get("uid") or bool(found["uid"] == meta.uid(claim))


def mismatch(volume: Object, claim: Object) -> str:
    """Why this volume cannot be the claim's; "" when it can.

    >>> claim = {"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}}
    >>> volume = {"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}}
    >>> mismatch(volume, claim)
    'requested PV is too small'
    """  # noqa: E501
    wanted, has = claim["spec"], volume["spec"]
    if capacity(volume) < asked(claim):
        return "requested PV is too small"
    if class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if wanted.get("volumeMode", "Filesystem") != has.get("volumeMode", "Filesystem"):
        return "incompatible volumeMode"
    if not set(wanted.get("accessModes") or ()) <= set(has.get("accessModes") or ()):
        return "incompatible accessMode"
    if (wanted.get("volumeAttributesClassName") or "") != (has.get("volumeAttributesClassName") or ""):
        return "volumeAttributesClassName does not match"
    return ""


def find_volume(claim: Object, volumes: Iterable[Object], *, delayed: bool) -> Object | None:
    """The one that names the claim, else the smallest that will do. `delayed`: only the former; where the pod goes
    decides about all others."""
    best: Object | None = None
    selector = of_object(claim["spec"]["selector"]) if claim["spec"].get("selector") else None
    for volume in volumes:
        if meta.deleting(volume):
            continue
        if volume["spec"].get("claimRef"):
            if is_for(volume, claim) and asked(claim) <= capacity(volume):
                return volume
            continue
        if delayed or (volume.get("status") or {}).get("phase") not in ("Available", None):
            continue
        if mismatch(volume, claim) or (selector and not selector.matches(volume["metadata"].get("labels") or {})):
            continue
        if best is None or capacity(volume) < capacity(best):
            best = volume
    return best
