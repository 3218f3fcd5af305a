"""Snapshot: nodes and the pods on them. Kept up by single changes, always equal to one that is made afresh."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from corral.cluster.client import meta
from corral.cluster.scheduler.devices.state import Devices
from corral.cluster.scheduler.pods.pod import Pod, Port
from corral.cluster.scheduler.pods.terms import Labels, PodTerm, WeightedPods
from corral.cluster.scheduler.snapshot.holders import Holders
from corral.cluster.scheduler.snapshot.kept import Kept
from corral.cluster.scheduler.snapshot.nodes import NO_LABELS, POD_COLUMN, Nodes
from corral.cluster.scheduler.snapshot.tallies import Tallies
from corral.cluster.scheduler.storage.storage import Storage

Object = dict[str, Any]


class Snapshot:
    """No I/O. `put_pod` places a pod or what has become of it; a pod of the same uid takes the place of the old one."""

    def __init__(self, storage: Storage | None = None) -> None:
        self.nodes = Nodes()
        self.storage = storage or Storage()
        self.devices = Devices()
        self.objects: dict[str, Object] = {}  # the nodes themselves, by name
        self.namespaces: dict[str, Labels] = {}
        self.kept = Kept()
        self.pods: dict[str, tuple[Pod, int]] = {}
        self.pods_in: dict[int, dict[str, Pod]] = {}
        self.priorities: Counter[int] = Counter()  # of the pods that are placed
        self.ports: dict[tuple[str, int], dict[int, list[str]]] = {}
        self.claim_users: dict[str, dict[str, int]] = {}
        self.tallies = Tallies(self.nodes.rows, self.namespace_labels)
        self.apart: Holders[PodTerm] = Holders()
        self.near: Holders[PodTerm] = Holders()
        self.preferring: Holders[WeightedPods] = Holders()

    # -------------------------------------------------------------------------------------------------- nodes

    def put_node(self, node: Object) -> None:
        self.objects[meta.name(node)] = node
        self.nodes.put(self._row(meta.name(node)), node)

    def remove_node(self, name: str) -> None:
        self.objects.pop(name, None)
        row = self.nodes.row_of.get(name)
        if row is not None and self.nodes.present[row]:
            self.nodes.remove(row)
            self._release_unused(row)

    def _row(self, name: str) -> int:
        row, grow = self.nodes.row(name)
        if grow:
            self.tallies.grow(self.nodes.rows)
        return row

    def _release_unused(self, row: int) -> None:
        if not self.nodes.present[row] and not self.pods_in.get(row):
            self.nodes.release(row)

    # --------------------------------------------------------------------------------------------- namespaces

    def put_namespace(self, name: str, labels: Labels | None) -> None:
        """None: it has gone."""
        if self.namespaces.get(name, NO_LABELS) != (labels or NO_LABELS):
            self.tallies.forget()
        if labels is None:
            self.namespaces.pop(name, None)
        else:
            self.namespaces[name] = labels

    def namespace_labels(self, name: str) -> Labels:
        return self.namespaces.get(name, NO_LABELS)

    # --------------------------------------------------------------------------------------------------- pods

    def put_pod(self, pod: Pod, node: str) -> None:
        known = self.pods.get(pod.uid)
        row = self._row(node)
        if known is not None:
            self._count(*known, -1)
        self.pods[pod.uid] = (pod, row)
        self._count(pod, row, 1)
        if known is not None and known[1] != row:
            self._release_unused(known[1])

    def remove_pod(self, uid: str) -> None:
        known = self.pods.pop(uid, None)
        if known is not None:
            self._count(*known, -1)
            self._release_unused(known[1])

    def _count(self, pod: Pod, row: int, change: int) -> None:
        here = self.pods_in.setdefault(row, {})
        if change > 0:
            here[pod.uid] = pod
        else:
            del here[pod.uid]
            if not here:
                del self.pods_in[row]
        self._count_resources(pod, row, change)
        self.priorities[pod.priority] += change
        if not self.priorities[pod.priority]:
            del self.priorities[pod.priority]
        self.tallies.add(pod, row, change)
        if pod.affinity:
            self._count_rules(pod, row, change)
        for port in pod.ports:
            self._count_port(port, row, change)
        for claim in pod.claims:
            self._count_claim(f"{pod.namespace}/{claim}", pod.uid, row, change)

    def _count_resources(self, pod: Pod, row: int, change: int) -> None:
        nodes = self.nodes
        for name, value in pod.requests.items():
            number = nodes.resource(name)
            nodes.requested[number, row] += value * change
        nodes.requested[POD_COLUMN, row] += change
        nodes.usual[0, row] += pod.usual[0] * change
        nodes.usual[1, row] += pod.usual[1] * change

    def _count_rules(self, pod: Pod, row: int, change: int) -> None:
        for term in pod.rules.apart:
            self.apart.add(term, row, change)
        for term in pod.rules.near:
            self.near.add(term, row, change)
        for rule in pod.rules.preferred:
            self.preferring.add(rule, row, change)

    def _count_port(self, port: Port, row: int, change: int) -> None:
        rows = self.ports.setdefault((port.protocol, port.number), {})
        addresses = rows.setdefault(row, [])
        if change > 0:
            addresses.append(port.address)
            return
        addresses.remove(port.address)
        if not addresses:
            del rows[row]
        if not rows:
            del self.ports[port.protocol, port.number]

    def _count_claim(self, claim: str, uid: str, row: int, change: int) -> None:
        users = self.claim_users.setdefault(claim, {})
        if change > 0:
            users[uid] = row
            return
        users.pop(uid, None)
        if not users:
            del self.claim_users[claim]

    # ------------------------------------------------------------------------------------------------- what if

    @contextmanager
    def without(self, uids: Iterable[str]) -> Iterator[Gone]:
        """As it would be without these pods, until the block ends."""
        gone = Gone(self._count, {uid: self.pods[uid] for uid in uids if uid in self.pods})
        try:
            yield gone
        finally:
            gone.bring_all_back()

    @contextmanager
    def with_pods(self, placed: Iterable[tuple[Pod, str]]) -> Iterator[None]:
        """As it would be with these pods on nodes that are known; others are left out."""
        rows = [(pod, self.nodes.row_of[node]) for pod, node in placed if node in self.nodes.row_of]
        rows = [(pod, row) for pod, row in rows if pod.uid not in self.pods]
        for pod, row in rows:
            self._count(pod, row, 1)
        try:
            yield
        finally:
            for pod, row in rows:
                self._count(pod, row, -1)


class Gone:
    """Pods that are taken away for the sake of argument."""

    def __init__(self, count: Callable[[Pod, int, int], None], pods: dict[str, tuple[Pod, int]]) -> None:
        self._count, self._pods = count, pods
        self._away: set[str] = set()
        for uid in pods:
            self.take(uid)

    def take(self, uid: str) -> None:
        self._away.add(uid)
        self._count(*self._pods[uid], -1)

    def bring_back(self, uid: str) -> None:
        self._away.discard(uid)
        self._count(*self._pods[uid], 1)

    def bring_all_back(self) -> None:
        for uid in list(self._away):
            self.bring_back(uid)
