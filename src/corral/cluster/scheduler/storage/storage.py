"""Storage: claims, volumes, classes and drivers as the API tells them, and what this scheduler has promised of them."""

from __future__ import annotations

from typing import Any, Final

from corral.cluster.client import meta
from corral.model.kubernetes.volumes import class_of

Object = dict[str, Any]

NO_PROVISIONER: Final = "kubernetes.io/no-provisioner"
SELECTED_NODE: Final = "volume.kubernetes.io/selected-node"


class Storage:
    """Plain copies by key. `promised`: volumes that a pod's claim is going to have, by the volume's name."""

    def __init__(self) -> None:
        self.claims: dict[str, Object] = {}
        self.volumes: dict[str, Object] = {}
        self.classes: dict[str, Object] = {}
        self.csi_nodes: dict[str, Object] = {}
        self.drivers: dict[str, Object] = {}
        self.capacities: dict[str, Object] = {}
        self.promised: dict[str, str] = {}

    def put(self, into: dict[str, Object], old: Object | None, new: Object | None) -> None:
        """What an informer tells of one of the dictionaries."""
        if new is not None:
            into[meta.key(new)] = new
        elif old is not None:
            into.pop(meta.key(old), None)

    def promise(self, volume: str, claim: str) -> None:
        self.promised[volume] = claim

    def take_back(self, volume: str) -> None:
        self.promised.pop(volume, None)

    def class_of(self, claim: Object) -> Object | None:
        return self.classes.get(class_of(claim))

    def waits(self, claim: Object) -> bool:
        """Whether the claim's volume is chosen only when its pod's node is known."""
        found = self.class_of(claim)
        return found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"


def is_bound(claim: Object) -> bool:
    """Fully: the volume is named, and whoever binds volumes has said that it is done."""
    done = "pv.kubernetes.io/bind-completed" in (claim["metadata"].get("annotations") or {})
    return bool(claim["spec"].get("volumeName")) and done
