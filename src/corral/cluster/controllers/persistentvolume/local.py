"""The built-in provisioner: each volume is a directory of its node.

The class `standard` asks for it. A directory has no size: capacity is what was asked for, and growing costs nothing.
"""

from __future__ import annotations

import asyncio
import re
import shutil
from pathlib import Path
from typing import Final, Protocol

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.persistentvolume.binding import BY_CONTROLLER, PROVISIONED_BY, claim_reference
from corral.model.kubernetes.labels import HOSTNAME
from corral.model.kubernetes.volumes import class_of

PROVISIONER: Final = "corral.dev/local"
STANDARD: Final = "standard"
FINALIZER: Final = "external-provisioner.volume.kubernetes.io/finalizer"
DEFAULT_CLASS: Final = "storageclass.kubernetes.io/is-default-class"
_NAME: Final = re.compile(r"pvc-[0-9a-f-]{36}")


class Refused(Exception):
    """What a claim or its class asks for and this provisioner has not."""


class Directories(Protocol):
    """Where the volumes of this machine are. OSError."""

    def path(self, name: str) -> str: ...

    async def make(self, name: str) -> None: ...

    async def remove(self, name: str) -> None: ...


class LocalDirectories:
    """Below one directory. Only names that a provisioned volume can have are accepted."""

    def __init__(self, root: str) -> None:
        self._root = Path(root)

    def path(self, name: str) -> str:
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"not the name of a local volume: {name}")
        return str(self._root / name)

    async def make(self, name: str) -> None:
        """Everybody may write into it: which user a pod runs as is not known yet."""
        path = Path(self.path(name))
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)

    async def remove(self, name: str) -> None:
        path = self.path(name)
        try:
            await asyncio.to_thread(shutil.rmtree, path)
        except FileNotFoundError:
            return


def standard_class() -> Object:
    """The StorageClass of claims that name none."""
    return {
        "metadata": {"name": STANDARD, "annotations": {DEFAULT_CLASS: "true"}},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": True,
    }


def volume_name(claim: Object) -> str:
    """The same for the same claim, so that a second try finds what the first has made."""
    return f"pvc-{meta.uid(claim)}"


def check(claim: Object, storage_class: Object) -> None:
    """Raises Refused."""
    spec = claim["spec"]
    if spec.get("volumeMode", "Filesystem") != "Filesystem":
        raise Refused(f"{PROVISIONER} does not support block volume provisioning")
    if spec.get("selector"):
        raise Refused("claim Selector is not supported")
    if spec.get("dataSource") or spec.get("dataSourceRef"):
        raise Refused(f"{PROVISIONER} does not support volumes with a data source")
    if storage_class.get("parameters"):
        raise Refused(f"invalid option {min(storage_class['parameters'])!r} for {PROVISIONER}".replace("'", '"'))
    if storage_class.get("mountOptions"):
        raise Refused(f"{PROVISIONER} does not support mount options")


def plan_volume(claim: Object, storage_class: Object, node: Object, path: str) -> Object:
    """Pure: the volume for a claim, on this node, bound to the claim from the beginning. Refused.

    >>> claim = {"metadata": {"namespace": "a", "name": "data", "uid": "1"}, "spec": {"accessModes": ["ReadWriteOnce"],
    ...     "storageClassName": "standard", "resources": {"requests": {"storage": "1Gi"}}}}
    >>> found = plan_volume(claim, standard_class(), {"metadata": {"name": "n1"}}, "/volumes/pvc-1")
    >>> found["metadata"]["name"], found["spec"]["hostPath"]["path"], found["spec"]["capacity"]
    ('pvc-1', '/volumes/pvc-1', {'storage': '1Gi'})
    """
    check(claim, storage_class)
    host = (node["metadata"].get("labels") or {}).get(HOSTNAME)
    if host:
        term: Object = {"matchExpressions": [{"key": HOSTNAME, "operator": "In", "values": [host]}]}
    else:
        term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [meta.name(node)]}]}
    notes = {PROVISIONED_BY: PROVISIONER, BY_CONTROLLER: "yes"}
    return {
        "metadata": {"name": volume_name(claim), "annotations": notes, "finalizers": [FINALIZER]},
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "claimRef": claim_reference(claim),
            "hostPath": {"path": path, "type": "DirectoryOrCreate"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            "persistentVolumeReclaimPolicy": storage_class.get("reclaimPolicy", "Delete"),
            "storageClassName": class_of(claim),
            "volumeMode": "Filesystem",
        },
    }
