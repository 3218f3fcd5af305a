"""Which volume a claim can have, for who binds them and for who looks for a node. Pure.

Follows k8s.io/component-helpers/storage/volume (FindMatchingVolume).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from corral.model.kubernetes import quantity
from corral.model.kubernetes.kind import Object
from corral.model.kubernetes.kinds.fields import part
from corral.model.kubernetes.selectors.objects import of_object

NONE: Final[Mapping[str, str]] = MappingProxyType({})
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
    found, metadata = volume["spec"].get("claimRef"), claim["metadata"]
    if not found or any(found.get(key) != metadata.get(key) for key in ("namespace", "name")):
        return False
    return not found.get("uid") or bool(found["uid"] == metadata.get("uid"))


def mismatch(volume: Object, claim: Object, *, own: bool = False) -> str:
    """Why this volume cannot be the claim's; "" when it can. `own`: it names the claim, and need not be of its class.

    >>> claim = {"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}}
    >>> volume = {"metadata": {}, "spec": {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}}}
    >>> mismatch(volume, claim)
    'requested PV is too small'
    """  # noqa: E501
    wanted, has = claim["spec"], volume["spec"]
    if capacity(volume) < asked(claim):
        return "requested PV is too small"
    if not own and class_of(volume) != class_of(claim):
        return "storageClassName does not match"
    if wanted.get("volumeMode", "Filesystem") != has.get("volumeMode", "Filesystem"):
        return "incompatible volumeMode"
    if not own and not set(wanted.get("accessModes") or ()) <= set(has.get("accessModes") or ()):
        return "incompatible accessMode"
    if (wanted.get("volumeAttributesClassName") or "") != (has.get("volumeAttributesClassName") or ""):
        return "volumeAttributesClassName does not match"
    return ""


def find_volume(
    claim: Object,
    volumes: Iterable[Object],
    *,
    delayed: bool = False,
    promised: Mapping[str, str] = NONE,
    reachable: Callable[[Object], bool] = lambda volume: True,
) -> Object | None:
    """The one that names the claim, else the smallest that will do.

    `delayed`: only the former; where the pod goes decides about all others. `promised`: keys of claims that are going
    to have volumes, by the volumes' names. `reachable`: from the node in question.
    """
    best: Object | None = None
    selector = of_object(claim["spec"]["selector"]) if claim["spec"].get("selector") else None
    mine = f"{claim['metadata'].get('namespace', '')}/{claim['metadata'].get('name', '')}"
    for volume in volumes:
        metadata, own = volume["metadata"], is_for(volume, claim)
        if promised.get(metadata.get("name", ""), mine) != mine or metadata.get("deletionTimestamp"):
            continue
        if mismatch(volume, claim, own=own):
            continue
        if own:
            return volume if reachable(volume) else None
        if delayed or volume["spec"].get("claimRef") or part(volume, "status").get("phase") != "Available":
            continue
        if (selector and not selector.matches(part(metadata, "labels"))) or not reachable(volume):
            continue
        if best is None or capacity(volume) < capacity(best):
            best = volume
    return best
