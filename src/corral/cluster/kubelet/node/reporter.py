"""Registers the node, reports its status, and renews its lease: the sign that it is alive."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from corral.cluster.client.builtin import NODES
from corral.cluster.client.protocol import Client, Collection
from corral.cluster.kubelet.network import BUSY
from corral.cluster.kubelet.node.host import Machine
from corral.cluster.kubelet.node.status import is_missed, is_told, plan_images, plan_node, plan_node_status
from corral.cluster.kubelet.settings import Settings
from corral.cluster.kubelet.times import micro
from corral.engine.engine import Engine
from corral.kit.backoff import exponential
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

LEASES: Final = Collection("coordination.k8s.io", "v1", "leases")
NAMESPACE: Final = "kube-node-lease"
DURATION: Final = 40  # seconds that a lease holds
PATIENCE: Final = DURATION / 4  # seconds for one renewal


async def _nothing() -> str:
    return ""


class NodeReporter:
    """`register` first; then `run` until it is cancelled.

    `port`: where the kubelet is asked, 0 for nowhere; `short_of`: the conditions that say of what the node is short;
    `busy`: the subnets in the pods' range that are somebody else's on this machine.
    """

    def __init__(
        self,
        client: Client,
        engine: Engine,
        machine: Machine,
        subnets: Sequence[str],
        settings: Settings,
        short_of: Callable[[], frozenset[str]] = frozenset,
        port: Callable[[], int] = lambda: 0,
        busy: Callable[[], Awaitable[str]] = _nothing,
    ) -> None:
        self._short_of, self._port, self._busy = short_of, port, busy
        self._client, self._engine, self._machine = client, engine, machine
        self._subnets, self._settings = subnets, settings
        self._lease: Object | None = None
        self._reported = 0.0
        self._images: list[Object] = []  # as they were reported
        self.unreached = asyncio.Event()  # the API was not reached once
        self._due = asyncio.Event()  # a report is, before its time

    async def register(self) -> None:
        """The node is there, with its status, when this returns."""
        attempt = 0
        while True:
            try:
                await self._ensure()
                await self.report()
                await self._renew()
                return
            except (StatusError, OSError) as error:
                log.warning("register node %s: %s", self._machine.name, error)
                if isinstance(error, OSError):
                    self.unreached.set()
                await asyncio.sleep(exponential(attempt, 50, 7000) / 1000)
                attempt += 1

    async def _ensure(self) -> None:
        """Makes the node; one that is there gets the labels and annotations that are missing or wrong."""
        wanted = plan_node(self._machine, self._subnets, self._settings.labels, self._settings.annotations)
        try:
            await self._client.create(NODES, wanted)
            return
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
        node = await self._client.get(NODES, self._machine.name)
        known, ours = node["metadata"], wanted["metadata"]
        merged = {kind: {**(known.get(kind) or {}), **ours[kind]} for kind in ("labels", "annotations")}
        spec = node.get("spec") or {}
        if not spec.get("podCIDR"):
            spec = {**spec, **wanted["spec"]}
        changed = {**node, "metadata": {**known, **merged}, "spec": spec}
        if changed != node:
            await self._client.update(NODES, changed)

    async def report(self) -> None:
        """The status as it is now. StatusError."""
        busy = await self._busy()
        while True:
            node = await self._told(await self._client.get(NODES, self._machine.name), busy)
            status = plan_node_status(
                node.get("status") or {},
                self._machine,
                self._settings.max_pods,
                self._engine.images.list(),
                time.time_ns(),
                self._port(),
                thresholds=self._settings.eviction.thresholds,
                short=self._short_of(),
            )
            try:
                await self._client.update(NODES, {**node, "status": status}, subresource="status")
                self._reported, self._images = time.monotonic(), status["images"]
                return
            except StatusError as error:
                if error.reason != "Conflict":
                    raise

    async def _told(self, node: Object, busy: str) -> Object:
        """A node that joins later keeps away from what this machine has other ways to."""
        if (node["metadata"].get("annotations") or {}).get(BUSY, "") == busy:
            return node
        patch = {"metadata": {"annotations": {BUSY: busy or None}}}
        return await self._client.patch(NODES, self._machine.name, patch=patch)

    async def _renew(self) -> None:
        now = micro(time.time_ns())
        if self._lease is None:
            self._lease = await self._find_lease(now)
        spec = {**self._lease["spec"], "renewTime": now, "holderIdentity": self._machine.name}
        try:
            self._lease = await self._client.update(LEASES, {**self._lease, "spec": spec})
        except StatusError as error:
            self._lease = None
            if error.reason not in ("Conflict", "NotFound"):
                raise

    async def _find_lease(self, now: str) -> Object:
        name = self._machine.name
        try:
            return await self._client.get(LEASES, name, NAMESPACE)
        except StatusError as error:
            if error.reason != "NotFound":
                raise
        node = await self._client.get(NODES, name)
        owner = {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": name, "namespace": NAMESPACE, "ownerReferences": [owner]},
            "spec": {"holderIdentity": name, "leaseDurationSeconds": DURATION, "renewTime": now},
        }
        return await self._client.create(LEASES, lease, NAMESPACE)

    def changed(self, _: Object | None, node: Object | None) -> None:
        """The node is another now: what others say that it has is offered to pods at once."""
        if node is not None and not is_told(node.get("status") or {}):
            self._due.set()

    def _has_others(self) -> bool:
        """Whether other images are here than it was said: the scheduler prefers nodes that have a pod's."""
        return plan_images(self._engine.images.list()) != self._images

    async def run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._settings.heartbeat):
                    await self._due.wait()
            due = self._due.is_set() or time.monotonic() - self._reported > self._settings.report or self._has_others()
            self._due.clear()
            try:
                async with asyncio.timeout(PATIENCE):  # what was sent into a dead network is not waited for
                    await self._renew()
                    missed = is_missed(await self._client.get(NODES, self._machine.name))
                if missed or due:
                    await self.report()
            except (StatusError, OSError) as error:
                log.warning("node %s: %s", self._machine.name, str(error) or "no answer")
                if isinstance(error, StatusError) and error.reason == "NotFound":
                    await self.register()  # somebody has deleted it
