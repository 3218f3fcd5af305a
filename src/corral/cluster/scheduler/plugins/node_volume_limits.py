"""NodeVolumeLimits: a CSI driver may say how many of its volumes a node can have (CSINode)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from corral.cluster.scheduler.framework import Cycle, Plugin, Verdict
from corral.cluster.scheduler.pods.pod import Pod
from corral.cluster.scheduler.snapshot.snapshot import Snapshot
from corral.cluster.scheduler.storage.storage import Storage

REASON: Final = "node(s) exceed max volume count"


def filter(cycle: Cycle) -> Iterator[Verdict]:
    wanted = volumes(cycle.pod, cycle.snapshot.storage)
    if not wanted:
        return
    refused, drivers = np.zeros(cycle.nodes.rows, np.bool_), {driver for driver, _ in wanted}
    for name, node in cycle.snapshot.storage.csi_nodes.items():
        row = cycle.nodes.row_of.get(name)
        limits = {driver: most for driver, most in limits_of(node).items() if driver in drivers}
        if row is not None and limits:
            refused[row] = exceeds(wanted, _used(cycle.snapshot, row), limits)
    yield Verdict(cycle.of(refused), REASON, resolvable=True)


def limits_of(node: dict[str, Any]) -> dict[str, int]:
    """Pure: how many volumes of each driver a CSINode takes, where it says so."""
    counts = ((one["name"], (one.get("allocatable") or {}).get("count")) for one in node["spec"].get("drivers") or ())
    return {name: count for name, count in counts if count is not None}


def exceeds(wanted: set[tuple[str, str]], used: set[tuple[str, str]], limits: dict[str, int]) -> bool:
    """Pure: volumes are (driver, handle); one that is there already does not count again.

    >>> exceeds({("d", "v2")}, {("d", "v1")}, {"d": 1}), exceeds({("d", "v1")}, {("d", "v1")}, {"d": 1})
    (True, False)
    """
    new = wanted - used
    return any(
        limit < sum(driver == one for one, _ in new | used)
        for driver, limit in limits.items()
        if any(driver == one for one, _ in new)
    )


def _used(snapshot: Snapshot, row: int) -> set[tuple[str, str]]:
    found: set[tuple[str, str]] = set()
    for pod in snapshot.pods_in.get(row, {}).values():
        found |= volumes(pod, snapshot.storage)
    return found


def volumes(pod: Pod, storage: Storage) -> set[tuple[str, str]]:
    """(CSI driver, what it calls the volume) of the pod's volumes; of one that is yet to be made, its claim."""
    found = set()
    for volume in pod.spec.get("volumes") or ():
        if "csi" in volume:
            found.add((volume["csi"]["driver"], f"{pod.uid}/{volume['name']}"))
    for name in pod.claims:
        claim = storage.claims.get(f"{pod.namespace}/{name}")
        if claim is None:
            continue
        volume = storage.volumes.get(claim["spec"].get("volumeName") or "")
        if volume is not None and "csi" in volume["spec"]:
            found.add((volume["spec"]["csi"]["driver"], volume["spec"]["csi"]["volumeHandle"]))
        elif volume is None and (kind := storage.class_of(claim)) is not None:
            found.add((kind["provisioner"], f"{pod.namespace}/{name}"))
    return found


PLUGIN: Final = Plugin("NodeVolumeLimits", filter)
