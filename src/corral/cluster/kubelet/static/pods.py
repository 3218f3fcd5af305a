"""Keeps the static pods running as the folder says, and their mirror pods as they run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from corral.cluster.client.builtin import NODES, PODS
from corral.cluster.client.protocol import Client
from corral.cluster.kubelet.pods import MIRROR
from corral.cluster.kubelet.static.folder import changes, read_folder
from corral.cluster.kubelet.static.mirror import is_mirror, key_of, plan_mirror, plan_mirrors, plan_remembered
from corral.cluster.kubelet.times import micro
from corral.cluster.kubelet.worker.reporting import write_status
from corral.errors import CorralError
from corral.kit.backoff import exponential
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

FIRST_RETRY: Final = 200  # milliseconds
LONGEST_RETRY: Final = 30_000


class StaticPods:
    """`begin(pod)` starts a worker, `end(uid)` lets one end; `ended` is told when it has.

    First `load`; then `watch` and `mirror`, each until it is cancelled.
    """

    def __init__(
        self, client: Client, folder: str, node: str, begin: Callable[[Object], None], end: Callable[[str], None]
    ) -> None:
        self._client, self._folder, self._node = client, folder, node
        self._begin, self._end = begin, end
        self._files: dict[str, Object] = {}
        self._running: dict[str, str] = {}  # key -> uid
        self._mirrors: dict[str, Object] = {}
        self._statuses: dict[str, Object] = {}  # key -> what is to be shown
        self._dirty = asyncio.Event()

    def load(self) -> None:
        """Reads the folder. HostError."""
        self._files = read_folder(self._folder, self._node, micro(time.time_ns()), self._files)

    def wanted(self) -> dict[str, Object]:
        """By "namespace/name"."""
        return {key_of(pod): pod for pod in self._files.values()}

    async def watch(self) -> None:
        while True:
            try:
                async for _ in changes(self._folder):
                    await asyncio.to_thread(self.load)
                    self.reconcile()
            except CorralError as error:
                log.warning("static pods: %s", error.message)
                await asyncio.sleep(LONGEST_RETRY / 1000)

    def reconcile(self) -> None:
        """Of two manifests with one name the older pod has to have ended before the newer begins."""
        wanted = self.wanted()
        for key, uid in self._running.items():
            if key not in wanted or wanted[key]["metadata"]["uid"] != uid:
                self._end(uid)
        for key, pod in wanted.items():
            if key not in self._running:
                self._running[key] = pod["metadata"]["uid"]
                self._begin(plan_remembered(pod, self._mirrors.get(key)))
        self._dirty.set()

    def ended(self, uid: str) -> None:
        """A worker has nothing left to do."""
        for key in [key for key, known in self._running.items() if known == uid]:
            del self._running[key]
            self._statuses.pop(key, None)
            self.reconcile()

    # ------------------------------------------------------------------------------------------------- in the API

    def show(self, pod: Object) -> None:
        """A static pod with its status as it is now."""
        self._statuses[key_of(pod)] = pod
        self._dirty.set()

    def mirror_changed(self, old: Object | None, new: Object | None) -> None:
        pod = new or old or {}
        if new is None:
            self._mirrors.pop(key_of(pod), None)
        else:
            self._mirrors[key_of(pod)] = {"kind": "Pod", "apiVersion": "v1", **new}
        self._dirty.set()

    async def mirror(self) -> None:
        failures = 0
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._mirror()
                failures = 0
            except (StatusError, OSError) as error:
                log.warning("mirror pods of %s: %s", self._node, error)
                await asyncio.sleep(exponential(failures, FIRST_RETRY, LONGEST_RETRY) / 1000)
                failures += 1
                self._dirty.set()

    async def _mirror(self) -> None:
        wanted = self.wanted()
        actions = plan_mirrors(wanted, self._mirrors)
        for pod in actions.delete:
            await self._delete(pod)
        if actions.create:
            node = await self._client.get(NODES, self._node)
            for key in actions.create:
                self._mirrors[key] = await self._create(plan_mirror(wanted[key], node))
                self._dirty.set()
        for key, shown in list(self._statuses.items()):
            mirror = self._mirrors.get(key)
            if mirror is None or not is_mirror(mirror):
                continue
            if mirror["metadata"]["annotations"][MIRROR] == shown["metadata"]["uid"]:
                written = await write_status(self._client, mirror, lambda _, status=shown["status"]: status)  # type: ignore[misc]
                if written is not None and self._mirrors.get(key) is mirror:
                    self._mirrors[key] = {"kind": "Pod", "apiVersion": "v1", **written}

    async def _create(self, mirror: Object) -> Object:
        """One that is there already is taken as it is: it is looked at when it is told of."""
        meta = mirror["metadata"]
        try:
            return await self._client.create(PODS, mirror, meta["namespace"])
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            return await self._client.get(PODS, meta["name"], meta["namespace"])

    async def _delete(self, pod: Object) -> None:
        meta = pod["metadata"]
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta["uid"]}}
        try:
            await self._client.delete(PODS, meta["name"], meta["namespace"], options=options)
        except StatusError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
        if self._mirrors.get(key_of(pod)) is pod:
            del self._mirrors[key_of(pod)]
            self._dirty.set()
