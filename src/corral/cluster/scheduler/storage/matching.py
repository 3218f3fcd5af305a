"""Which volume can a claim have? Follows k8s.io/component-helpers/storage/volume (FindMatchingVolume). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from corral.cluster.client import meta
from corral.cluster.scheduler.storage.storage import class_name
from corral.model.kubernetes import quantity
from corral.model.kubernetes.selectors import of_object

Object = dict[str, Any]


def find_volume(
    claim: Object, volumes: Iterable[Object], promised: Mapping[str, str], reachable: Callable[[Object], bool]
) -> Object | None:
    """The smallest volume that will do; one that was made for this very claim before all others.

    `promised`: volumes that other claims are going to have. `reachable`: from the node in question.
    """
    mine = meta.key(claim)
    best: tuple[int, Object] | None = None
    for volume in volumes:
        if promised.get(meta.name(volume), mine) != mine or not fits(claim, volume) or not reachable(volume):
            continue
        if volume["spec"].get("claimRef"):
            return volume
        size = capacity(volume)
        if best is None or size < best[0]:
            best = (size, volume)
    return best[1] if best else None


def fits(claim: Object, volume: Object) -> bool:
    """
    >>> spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"}
    >>> claim = {"metadata": {"name": "c", "namespace": "d"}, "spec": {
    ...     **spec, "resources": {"requests": {"storage": "1Gi"}}}}
    >>> volume = {"metadata": {"name": "v"}, "spec": {**spec, "capacity": {"storage": "2Gi"}},
    ...     "status": {"phase": "Available"}}
    >>> fits(claim, volume)
    True
    """
    wanted, offered = claim["spec"], volume["spec"]
    given = offered.get("claimRef")
    if given:
        same = (given.get("namespace"), given.get("name")) == (meta.namespace(claim), meta.name(claim))
        if not same or given.get("uid") not in (None, "", meta.uid(claim)):
            return False
    elif (volume.get("status") or {}).get("phase") != "Available":
        return False
    if meta.deleting(volume) or capacity(volume) < size_of(claim):
        return False
    if wanted.get("volumeMode", "Filesystem") != offered.get("volumeMode", "Filesystem"):
        return False
    if not given and class_name(claim) != class_name(volume):
        return False
    if wanted.get("volumeAttributesClassName") != offered.get("volumeAttributesClassName"):
        return False
    if wanted.get("selector") and not of_object(wanted["selector"]).matches(volume["metadata"].get("labels")):
        return False
    return set(wanted.get("accessModes") or ()) <= set(offered.get("accessModes") or ())


def capacity(volume: Object) -> int:
    return quantity.of_json((volume["spec"].get("capacity") or {}).get("storage")).ceil()


def size_of(claim: Object) -> int:
    return quantity.of_json(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage")).ceil()
