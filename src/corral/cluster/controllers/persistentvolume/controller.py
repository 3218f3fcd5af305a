"""Binds claims and volumes. Keys: `claim/NAMESPACE/NAME`, `volume/NAME`, or CLASS."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Final

from corral.cluster.client import meta
from corral.cluster.client.protocol import Object
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.persistentvolume import local
from corral.cluster.controllers.persistentvolume.binding import note
from corral.cluster.controllers.persistentvolume.claims import Claims
from corral.cluster.controllers.persistentvolume.provisioning import Provisioning
from corral.cluster.controllers.persistentvolume.store import VolumeStore
from corral.cluster.controllers.persistentvolume.volumes import Volumes
from corral.cluster.controllers.resources import STORAGE_CLASSES
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError

log = logging.getLogger("corral.controllers")

CLASS: Final = "class"
CLAIMS_OF_PODS: Final = "claims"
CLAIM_OF_VOLUMES: Final = "claim"
RETRY_SECONDS: Final = 10.0


def claims_of(pod: Object) -> Iterator[str]:
    """Pure: the keys of the claims that a pod uses, also those that are made for it."""
    for volume in pod["spec"].get("volumes") or ():
        if "persistentVolumeClaim" in volume:
            yield f"{meta.namespace(pod)}/{volume['persistentVolumeClaim']['claimName']}"
        elif "ephemeral" in volume:
            yield f"{meta.namespace(pod)}/{meta.name(pod)}-{volume['name']}"


def claim_of(volume: Object) -> Iterator[str]:
    """Pure: the key of the claim that a volume is for, if it is for one.

    >>> list(claim_of({"spec": {"claimRef": {"namespace": "shop", "name": "data"}}}))
    ['shop/data']
    """
    if reference := volume["spec"].get("claimRef"):
        yield f"{reference.get('namespace')}/{reference.get('name')}"


class PersistentVolumeController(Controller):
    """One worker: two claims never choose the same volume. `directories`: where the built-in provisioner's are."""

    name = "persistentvolume-binder-controller"
    workers = 1

    def __init__(self, shared: Shared, directories: local.Directories) -> None:
        self._store = VolumeStore(shared, shared.events.recorder("persistentvolume-controller"))
        store = self._store
        super().__init__([store.claims, store.volumes, store.classes, store.nodes, store.pods])
        provisioning = Provisioning(store, directories)
        self._claims = Claims(store, provisioning)
        self._volumes = Volumes(store, provisioning, lambda key: self.queue.add(f"claim/{key}"))
        store.pods.add_index(CLAIMS_OF_PODS, claims_of)
        store.volumes.add_index(CLAIM_OF_VOLUMES, claim_of)
        store.claims.on_change(self._claim_changed)
        store.volumes.on_change(self._volume_changed)
        store.classes.on_change(self._class_changed)
        store.nodes.on_change(self._node_changed)
        store.pods.on_change(self._pod_changed)
        self.queue.add(CLASS)

    def _claim_changed(self, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        self.queue.add(f"claim/{meta.key(one)}")
        if one["spec"].get("volumeName"):
            self.queue.add(f"volume/{one['spec']['volumeName']}")
        for volume in self._store.volumes.indexed(CLAIM_OF_VOLUMES, meta.key(one)):  # the claim may not know of it
            self.queue.add(f"volume/{meta.name(volume)}")

    def _volume_changed(self, old: Object | None, new: Object | None) -> None:
        one = new or old or {}
        self.queue.add(f"volume/{meta.name(one)}")
        claims = list(claim_of(one))
        for key in claims:
            self.queue.add(f"claim/{key}")
        if new is not None and not claims:
            self._look_at_open()

    def _class_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None or note(old, local.DEFAULT_CLASS) != note(new, local.DEFAULT_CLASS):
            self._look_at_open()

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        if old is None or new is None:
            self._look_at_open()

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        """Only what an event tells is different with the first pod of a claim."""
        if old is None and new is not None and not new["spec"].get("nodeName"):
            for key in claims_of(new):
                self.queue.add(f"claim/{key}")

    def _look_at_open(self) -> None:
        for claim in self._store.claims.all():
            if not claim["spec"].get("volumeName"):
                self.queue.add(f"claim/{meta.key(claim)}")

    async def reconcile(self, key: str) -> float | None:
        kind, _, name = key.partition("/")
        if kind == CLASS:
            await self._make_class()
            return None
        try:
            if kind == "claim":
                claim = self._store.claims.get(name)
                if claim is not None and not (meta.deleting(claim) and not claim["spec"].get("volumeName")):
                    await self._claims.sync(claim)
            else:
                volume = self._store.volumes.get(name)
                if volume is not None:
                    await self._volumes.sync(volume)
        except OSError as error:
            log.warning("%s: %s: %s", self.name, key, error)
            return RETRY_SECONDS
        return None

    async def _make_class(self) -> None:
        """A cluster whose claims need no class to be named; made when it is not there at the start."""
        if self._store.classes.get(local.STANDARD) is not None:
            return
        try:
            await self._store.client.create(STORAGE_CLASSES, local.standard_class())
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
