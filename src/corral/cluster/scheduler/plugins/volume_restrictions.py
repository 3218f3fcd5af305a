"""VolumeRestrictions: a claim with the access mode ReadWriteOncePod is one pod's alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from corral.cluster.scheduler.framework import Cycle, Plugin, Rejection, Verdict

REASON: Final = "node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode"


def prefilter(cycle: Cycle) -> Rejection | None:
    for claim, ephemeral in cycle.pod.claim_sources:  # an ephemeral volume's is made after the pod: VolumeBinding waits
        if not ephemeral and f"{cycle.pod.namespace}/{claim}" not in cycle.snapshot.storage.claims:
            return Rejection(f'persistentvolumeclaim "{claim}" not found')
    return None


def filter(cycle: Cycle) -> Iterator[Verdict]:
    """While another pod has it, wherever that runs, no node will do."""
    pod, snapshot = cycle.pod, cycle.snapshot
    for claim in pod.claims:
        key = f"{pod.namespace}/{claim}"
        modes = snapshot.storage.claims[key]["spec"].get("accessModes") or ()
        if "ReadWriteOncePod" in modes and set(snapshot.claim_users.get(key, ())) - {pod.uid}:
            yield Verdict(cycle.all(), REASON, resolvable=True)
            return


PLUGIN: Final = Plugin("VolumeRestrictions", filter, prefilter)
