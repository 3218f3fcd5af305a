"""A node of its own for a test: an engine under /tmp, an API server in this process, and a kubelet between them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from corral.cluster.apiserver.app import Kubernetes
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.certificates import pki
from corral.cluster.client.builtin import EVENTS, NAMESPACES, NODES, PODS
from corral.cluster.client.protocol import Client, Collection
from corral.cluster.kubelet.barrier import Barrier, no_barrier
from corral.cluster.kubelet.kubelet import Kubelet
from corral.cluster.kubelet.settings import Settings
from corral.daemon.kubelet import issue_with
from corral.engine.config import EngineConfig
from corral.engine.engine import Engine
from corral.model.kubernetes.status import StatusError
from corral.store.memory import MemoryStore
from tests.support.images import busybox_rootfs
from tests.support.wait import PATIENCE

Object = dict[str, Any]

IMAGE = "busybox:latest"
LONG = 60.0  # seconds, times PATIENCE: only what hangs takes as long
NODE = "test-node"
ACCOUNTS = Collection("", "v1", "serviceaccounts")
WAITS = ["sh", "-c", "trap 'exit 0' TERM; >/up; while :; do sleep 0.05; done"]
LISTENS = {"exec": {"command": ["test", "-e", "/up"]}, "periodSeconds": 1, "timeoutSeconds": 30}  # to signals


def container(name: str = "main", command: list[str] | None = None, **more: Any) -> Object:
    return {"name": name, "image": IMAGE, "imagePullPolicy": "Never", "command": command or WAITS, **more}


class Cable:
    """Between a kubelet and the API: while it is cut, nothing is reached."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.cut = False

    def __getattr__(self, name: str) -> Any:
        if self.cut:
            return self._unreached if name != "watch" else self._no_watch
        return getattr(self._client, name)

    async def _unreached(self, *args: Any, **more: Any) -> Any:
        raise ConnectionRefusedError("the cable is cut")

    async def _no_watch(self, *args: Any, **more: Any) -> AsyncIterator[Any]:
        await self._unreached()
        yield


class Node:
    """`client` may do everything. `stop_kubelet` and `start_kubelet`: as a daemon that is started again."""

    def __init__(self, engine: Engine, api: Kubernetes, base: Path, barrier: Barrier, neighbours: Barrier) -> None:
        self.engine, self.api, self.base = engine, api, base
        self._around: dict[str, Barrier] = {"barrier": barrier, "neighbours": neighbours}
        self.settings: Object = {}  # what the kubelet is told besides, from its next start on
        self.cut = False  # whether the kubelet finds the API cut off when it starts
        self.client = api.client(User("admin", groups=(MASTERS_GROUP,)), "test")

    async def start_kubelet(self) -> None:
        user = User(f"system:node:{NODE}", groups=("system:nodes",))
        run = f"{self.engine.config.run}/kubelet"
        settings = Settings(f"{self.base}/kubelet", run, heartbeat=0.2, **self.settings)
        self.cable = Cable(self.api.client(user, "kubelet"))
        self.cable.cut = self.cut
        client = cast(Client, self.cable)
        self.kubelet = Kubelet(self.engine, client, NODE, settings, **self._around, issue=issue_with(self.api))
        self._task = asyncio.create_task(self.kubelet.run())
        begun = self.kubelet.begun if self.cut else self.kubelet.ready
        await asyncio.wait({self._task, asyncio.create_task(begun.wait())}, return_when="FIRST_COMPLETED")
        if self._task.done():
            self._task.result()

    async def stop_kubelet(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self.kubelet.close()

    async def restart_kubelet(self, **settings: Any) -> None:
        """With other settings."""
        await self.stop_kubelet()
        self.settings = settings
        await self.start_kubelet()

    async def condition(self, kind: str, status: str, seconds: float = LONG) -> Object:
        """The node's condition, as soon as it is that."""
        listing = await self.client.list(NODES, field_selector=f"metadata.name={NODE}")

        def found(one: Object) -> Object | None:
            known = (one.get("status") or {}).get("conditions") or ()
            return next((each for each in known if each["type"] == kind and each["status"] == status), None)

        for one in listing.items:
            if (condition := found(one)) is not None:
                return condition
        async with asyncio.timeout(seconds * PATIENCE):
            async for event in self.client.watch(NODES, resource_version=listing.resource_version):
                if event.type != "BOOKMARK" and (condition := found(event.object)) is not None:
                    return condition
        raise AssertionError("the watch has ended")

    async def create(self, name: str, *containers: Object, labels: Object | None = None, **spec: Any) -> Object:
        """A pod that is bound to this node."""
        spec = {"nodeName": NODE, "containers": list(containers) or [container()], **spec}
        spec.setdefault("terminationGracePeriodSeconds", 5)
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}}, "spec": spec}
        return await self.client.create(PODS, pod, "default")

    async def get(self, name: str) -> Object:
        return await self.client.get(PODS, name, "default")

    async def until(self, name: str, fits: Callable[[Object], Any], seconds: float = LONG) -> Object:
        """The pod, as soon as it fits: told by a watch."""
        listing = await self.client.list(PODS, "default", field_selector=f"metadata.name={name}")
        last: Object = listing.items[0] if listing.items else {}
        if last and fits(last):
            return last
        try:
            async with asyncio.timeout(seconds * PATIENCE):
                events = self.client.watch(
                    PODS,
                    "default",
                    resource_version=listing.resource_version,
                    field_selector=f"metadata.name={name}",
                )
                async for event in events:
                    if event.type == "MODIFIED" or event.type == "ADDED":
                        last = event.object
                        if fits(last):
                            return last
        except TimeoutError:
            raise AssertionError(f"pod {name} did not come to that; last: {last.get('status')}") from None
        raise AssertionError("the watch has ended")

    async def running(self, name: str) -> Object:
        """The pod, once all of it is ready."""
        return await self.until(name, is_ready)

    async def done(self, name: str) -> Object:
        """The pod, once it has come to its end."""
        return await self.until(name, lambda pod: pod["status"].get("phase") in ("Succeeded", "Failed"))

    async def delete(self, name: str, grace: int | None = None) -> float:
        """Deletes it and waits until it is gone: the seconds that took."""
        begun = time.monotonic()
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        await self.client.delete(PODS, name, "default", options=options)
        await self.gone(name)
        return time.monotonic() - begun

    async def gone(self, name: str, seconds: float = LONG) -> None:
        listing = await self.client.list(PODS, "default", field_selector=f"metadata.name={name}")
        if not listing.items:
            return
        async with asyncio.timeout(seconds * PATIENCE):
            events = self.client.watch(
                PODS, "default", resource_version=listing.resource_version, field_selector=f"metadata.name={name}"
            )
            async for event in events:
                if event.type == "DELETED":
                    return

    async def events(self, name: str) -> list[tuple[str, str]]:
        """(reason, message) of all that was told of a pod, oldest first."""
        await self.kubelet.events.drained()
        listing = await self.client.list(EVENTS, "default")
        found = [one for one in listing.items if one["involvedObject"].get("name") == name]
        found.sort(key=lambda one: int(one["metadata"]["resourceVersion"]))
        return [(one["reason"], one["message"]) for one in found]

    async def told(self, name: str, reason: str, text: str, seconds: float = LONG) -> None:
        """Returns when an event of the pod says that."""

        def fits(event: Object) -> bool:
            about = event["involvedObject"].get("name")
            return about == name and event["reason"] == reason and text in event["message"]

        listing = await self.client.list(EVENTS, "default")
        if any(fits(one) for one in listing.items):
            return
        async with asyncio.timeout(seconds * PATIENCE):
            async for event in self.client.watch(EVENTS, "default", resource_version=listing.resource_version):
                if event.type != "BOOKMARK" and fits(event.object):
                    return

    async def logs(self, name: str, of: str = "main", **options: Any) -> str:
        from corral.cluster.client.nodes import LogOptions

        pod = await self.get(name)
        chunks = [chunk async for chunk in self.kubelet.access.logs(pod, LogOptions(of, **options))]
        return b"".join(chunks).decode()

    async def ask(self, name: str, *command: str, of: str = "main") -> str:
        """What a command in a container says."""
        pod = await self.get(name)
        streams = await self.kubelet.access.exec(pod, of, command, stdin=False, stdout=True, stderr=True, tty=False)
        output = b""
        while (frame := await streams.read()) is not None:
            output += frame[1]
        return output.decode()


def is_ready(pod: Object) -> bool:
    conditions = {one["type"]: one["status"] for one in (pod.get("status") or {}).get("conditions") or ()}
    return conditions.get("Ready") == "True"


def state(pod: Object, name: str = "main") -> Object:
    """A container's status."""
    lists = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    found = [one for key in lists for one in pod["status"].get(key) or () if one["name"] == name]
    return dict(found[0]) if found else {}


def waiting(pod: Object, name: str = "main") -> str:
    return str(((state(pod, name).get("state") or {}).get("waiting") or {}).get("reason", ""))


@asynccontextmanager
async def open_node(
    barrier: Barrier = no_barrier, neighbours: Barrier = no_barrier, **settings: Any
) -> AsyncIterator[Node]:
    """Nothing is left on the host afterwards. `settings`: of the kubelet."""
    base = Path(tempfile.mkdtemp(prefix="klt-", dir="/tmp"))
    run = f"/run/{base.name}"
    engine = await Engine.open(EngineConfig(root=f"{base}/e", run=run))
    store = MemoryStore()
    try:
        await engine.images.import_rootfs(_chunks(), ref=IMAGE)
        made = await asyncio.to_thread(pki.ensure, base / "pki", pki.server_names("10.96.0.1"), int(time.time()))
        api = await Kubernetes.open(store, made)
        await api.boot()
        node = Node(engine, api, base, barrier, neighbours)
        node.settings = settings
        await _ensure_namespace(node)
        await node.start_kubelet()
        try:
            yield node
        finally:
            await node.stop_kubelet()
            for one in engine.containers.list(unlisted=True):
                await engine.containers.remove(one.id, force=True, volumes=True)
            await api.close()
    finally:
        await engine.teardown()
        store.close()
        shutil.rmtree(base)
        shutil.rmtree(run, ignore_errors=True)


async def _ensure_namespace(node: Node) -> None:
    try:
        await node.client.create(NAMESPACES, {"metadata": {"name": "default"}})
    except StatusError as error:
        if error.reason != "AlreadyExists":
            raise
    # Pods get no token unless they ask for one: what it comes with is made by controllers, and here are none.
    account = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
    await node.client.create(ACCOUNTS, account, "default")


async def _chunks() -> AsyncIterator[bytes]:
    yield await asyncio.to_thread(busybox_rootfs)
