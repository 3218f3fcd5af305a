"""Controllers at work on a real API server in this process, with a kubelet that only says what becomes of pods."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from corral.cluster.apiserver.app import Kubernetes, Options
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.certificates import pki
from corral.cluster.client import meta
from corral.cluster.client.builtin import EVENTS, NODES, PODS
from corral.cluster.client.protocol import Client, Collection
from corral.cluster.client.times import to_text, utc_now
from corral.cluster.controllers.assembly import make, run_all
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.status import StatusError
from corral.store.memory import MemoryStore

Object = dict[str, Any]
TIMEOUT = 60


class Cluster:
    """`async with cluster(folder, names) as it`: the controllers of those names run; `it.client` is anybody."""

    def __init__(self, client: Client, shared: Shared) -> None:
        self.client, self.shared = client, shared
        self.ahead = timedelta()  # how far the clock was turned
        self._wakers: list[asyncio.Event] = []

    def now(self) -> datetime:
        return utc_now() + self.ahead

    async def until(self, of: Collection, key: str, holds: Callable[[Object], bool]) -> Object:
        """The object, once something holds of it."""
        return await self.until_all(of, lambda found: next((o for o in found if meta.key(o) == key and holds(o)), None))

    async def until_gone(self, of: Collection, key: str) -> None:
        await self.until_all(of, lambda found: all(meta.key(one) != key for one in found))

    async def until_all(self, of: Collection, holds: Callable[[list[Object]], Any]) -> Any:
        """What `holds` gives of all objects of the collection, once it is true."""
        informer = self.shared.informers.of(of)
        changed = asyncio.Event()
        informer.on_change(lambda old, new: changed.set())
        async with asyncio.timeout(TIMEOUT):
            await informer.synced.wait()
            while not (found := holds(list(informer.all()))):
                changed.clear()
                await changed.wait()
        return found

    def pods(self, **labels: str) -> list[Object]:
        return [
            pod
            for pod in self.shared.informers.of(PODS).all()
            if labels.items() <= (pod["metadata"].get("labels") or {}).items()
        ]

    async def told(self, name: str, reason: str, message: str) -> None:
        """Returns once this was told of an object of this name."""

        def holds(found: list[Object]) -> bool:
            wanted = (name, reason, message)
            return any((one["involvedObject"]["name"], one["reason"], one["message"]) == wanted for one in found)

        await self.until_all(EVENTS, holds)

    async def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of what was told of objects of this name so far."""
        await self.shared.events.drained()
        found = await self.client.list(EVENTS)
        ours = [one for one in found.items if one["involvedObject"]["name"] == name]
        return [(one["reason"], one["message"]) for one in sorted(ours, key=meta.version)]


class Kubelet:
    """Every pod runs and is ready at once, unless `broken` says otherwise; a pod that is deleted ends at once.

    `pace`: awaited before each step, so that a test can hold it.
    """

    def __init__(self, cluster: Cluster, nodes: Iterable[str] = ("node-1",)) -> None:
        self.cluster = cluster
        self.broken: Callable[[Object], bool] = lambda pod: False
        self.paused: Callable[[Object], bool] = lambda pod: False
        self._nodes = list(nodes)
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._pods = cluster.shared.informers.of(PODS)
        self._pods.on_change(lambda old, new: new is not None and self._queue.put_nowait(meta.key(new)))

    def again(self) -> None:
        for pod in self._pods.all():
            self._queue.put_nowait(meta.key(pod))

    async def run(self) -> None:
        while True:
            pod = self._pods.get(await self._queue.get())
            if pod is not None:
                with contextlib.suppress(StatusError):
                    await self._step(pod)

    async def _step(self, pod: Object) -> None:
        client, name, namespace = self.cluster.client, meta.name(pod), meta.namespace(pod)
        phase = (pod.get("status") or {}).get("phase")
        if meta.deleting(pod):
            if not pod["metadata"].get("deletionGracePeriodSeconds") and phase in ("Succeeded", "Failed"):
                return
            gone = {"gracePeriodSeconds": 0, "preconditions": {"uid": meta.uid(pod)}}
            await client.delete(PODS, name, namespace, options=gone)
        elif phase == "Pending" and not self.paused(pod):
            if not pod["spec"].get("nodeName"):
                await self._bind(pod)
            await self.tell(pod, "Running", ready=not self.broken(pod))

    async def _bind(self, pod: Object) -> None:
        binding = {"metadata": {"name": meta.name(pod)}, "target": {"kind": "Node", "name": _node(pod, self._nodes)}}
        await self.cluster.client.create(PODS, binding, meta.namespace(pod), subresource="binding")

    async def tell(self, pod: Object, phase: str, *, ready: bool = False, **more: Any) -> None:
        """Writes what became of a pod."""
        client, name, namespace = self.cluster.client, meta.name(pod), meta.namespace(pod)
        live = await client.get(PODS, name, namespace)
        condition = {
            "type": "Ready",
            "status": str(ready),
            "lastTransitionTime": to_text(self.cluster.now()),
        }
        began = {"startTime": to_text(self.cluster.now())}
        status = {**began, **(live.get("status") or {}), "phase": phase, "conditions": [condition], **more}
        await client.update(PODS, {**live, "status": status}, subresource="status")


def _node(pod: Object, nodes: list[str]) -> str:
    """The node that a DaemonSet's pod is for; otherwise any."""
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    for term in (affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name":
                return str(field["values"][0])
    return nodes[0]


@contextlib.asynccontextmanager
async def cluster(folder: Path, names: Iterable[str], nodes: Iterable[Object] = ()) -> AsyncIterator[Cluster]:
    """A namespace `shop` is there, and the nodes."""
    store = MemoryStore()
    authorities = pki.ensure(folder / "pki", pki.server_names("10.96.0.1"), int(utc_now().timestamp()))
    # Nobody makes accounts here, and nobody takes finalizers or taints away.
    disabled = frozenset(("ServiceAccount", "StorageObjectInUseProtection", "TaintNodesByCondition"))
    api = await Kubernetes.open(store, authorities, Options(disabled=disabled))
    await api.boot()
    client = api.client(User("system:admin", "", (MASTERS_GROUP,)), "test")
    await client.create(Collection("", "v1", "namespaces"), {"metadata": {"name": "shop"}})
    for node in nodes:
        await client.create(NODES, node)
    shared = Shared(client)
    found = Cluster(client, shared)
    shared.now = shared.events.now = api.core.now = found.now
    running = asyncio.create_task(run_all(shared, make(shared, names)))
    try:
        yield found
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await api.close()
        store.close()


@contextlib.asynccontextmanager
async def running(kubelet: Kubelet) -> AsyncIterator[Kubelet]:
    task = asyncio.create_task(kubelet.run())
    try:
        yield kubelet
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def template(app: str, image: str = "busybox:1", **spec: Any) -> Object:
    containers = [{"name": "main", "image": image}]
    return {"metadata": {"labels": {"app": app}}, "spec": {"containers": containers, **spec}}
