"""VolumeZone: a volume whose labels name zones or regions is used there. Nodes that name none are everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Rejection, Verdict
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.snapshot.arrays import Mask
from corral.cluster.scheduler.snapshot.nodes import Nodes
from corral.cluster.scheduler.storage.storage import Storage
from corral.model.kubernetes.selectors import Requirement
from corral.model.kubernetes.selectors.requirements import EXISTS, IN

Object = dict[str, Any]

REASON: Final = "node(s) had no available volume zone"
NEWER: Final = {  # what nodes may call it that volumes have by its first name
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
}
KEYS: Final = (*NEWER, *NEWER.values())


class Place(NamedTuple):
    """Where a volume is: a label of nodes, and the values that will do."""

    key: str
    values: tuple[str, ...]


def places_of(volume: Object) -> list[Place]:
    """Pure: from its labels; several zones stand in one, with two underscores between them.

    >>> places_of({"metadata": {"labels": {"topology.kubernetes.io/zone": "a__b", "other": "c"}}})
    [Place(key='topology.kubernetes.io/zone', values=('a', 'b'))]
    """
    labels = volume["metadata"].get("labels") or {}
    found = ((key, tuple(labels[key].split("__"))) for key in KEYS if key in labels)
    return [Place(key, values) for key, values in found if all(values)]


def places(pod: Pod, storage: Storage) -> list[Place]:
    """Of the volumes that the pod's own claims have already; those that were made for it have no such labels."""
    found = []
    for name, _ in _claims(pod):
        claim = storage.claims.get(f"{pod.namespace}/{name}")
        volume = storage.volumes.get(((claim or {}).get("spec") or {}).get("volumeName") or "")
        found += places_of(volume) if volume is not None else []
    return found


def _claims(pod: Pod) -> Iterator[tuple[str, bool]]:
    return ((name, made) for name, made in pod.claim_sources if not made)


def prefilter(cycle: Cycle) -> Rejection | None:
    """A volume that is named and not there cannot be looked at."""
    storage = cycle.snapshot.storage
    for name, _ in _claims(cycle.pod):
        claim = storage.claims.get(f"{cycle.pod.namespace}/{name}")
        volume = ((claim or {}).get("spec") or {}).get("volumeName")
        if volume and volume not in storage.volumes:
            return Rejection(f'persistentvolume "{volume}" not found')
    return None


def filter(cycle: Cycle) -> Iterator[Verdict]:
    wanted = places(cycle.pod, cycle.snapshot.storage) if cycle.pod.claims else []
    if wanted:
        yield Verdict(cycle.of(refused(cycle.nodes, wanted)), REASON)


def refused(nodes: Nodes, wanted: list[Place]) -> Mask:
    """The rows that name a zone or a region, and not all of these."""
    somewhere: Mask = np.zeros(nodes.rows, np.bool_)
    for key in KEYS:
        somewhere |= _has(nodes, key)
    fits: Mask = np.ones(nodes.rows, np.bool_)
    for place in wanted:
        there = _is_in(nodes, place.key, place.values)
        newer = NEWER.get(place.key)
        if newer is not None:
            there = there | (_is_in(nodes, newer, place.values) & ~_has(nodes, place.key))
        fits &= there
    return somewhere & ~fits


def _has(nodes: Nodes, key: str) -> Mask:
    return nodes.labels.matching(Requirement(key, EXISTS, ()))


def _is_in(nodes: Nodes, key: str, values: tuple[str, ...]) -> Mask:
    return nodes.labels.matching(Requirement(key, IN, values))


PLUGIN: Final = Plugin("VolumeZone", filter, prefilter)
