"""Controllers at work against the real API server, in one event loop, and words to say what should come of it."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from corral.cluster.apiserver.app import Kubernetes, Options
from corral.cluster.apiserver.attributes import MASTERS_GROUP, User
from corral.cluster.apiserver.certificates import pki
from corral.cluster.client import meta
from corral.cluster.client.builtin import NAMESPACES, NODES, PODS, SERVICES
from corral.cluster.client.protocol import Client, Collection, Object
from corral.cluster.controllers.assembly import run_all
from corral.cluster.controllers.controller import Controller
from corral.cluster.controllers.shared import Shared
from corral.model.kubernetes.resources import Resource
from corral.store.memory import MemoryStore

ROOT = User("system:kube-controller-manager", groups=(MASTERS_GROUP,))
Make = type[Controller] | Callable[["World"], Controller]
PATIENCE = 60  # seconds, on a busy machine; nothing here waits for time to pass


@cache
def keys() -> pki.Pki:
    """One set of keys for all tests of a run. Their files are read once, here."""
    with tempfile.TemporaryDirectory(prefix="corral-keys-") as folder:
        return pki.ensure(Path(folder), pki.server_names("10.96.0.1"), int(time.time()))


class World:
    """An API server and what works on it."""

    def __init__(self, api: Kubernetes, client: Client) -> None:
        self.api, self.client = api, client
        self.shared = Shared(client)

    async def create(self, of: Collection, obj: Object, namespace: str = "") -> Object:
        return await self.client.create(of, obj, namespace)

    async def status(self, of: Collection, obj: Object, status: Object) -> Object:
        """Says in the place of a kubelet (or of whoever knows) what the state is."""
        patch = {"status": status}
        return await self.client.patch(of, meta.name(obj), meta.namespace(obj), patch=patch, subresource="status")

    async def until(self, of: Collection, test: Callable[[list[Object]], bool], namespace: str = "") -> list[Object]:
        """All objects of the collection (and namespace), as soon as the test holds for them."""
        informer = self.shared.informers.of(of)
        changed = asyncio.Event()
        informer.on_change(lambda old, new: changed.set())
        found: list[Object] = []
        try:
            async with asyncio.timeout(PATIENCE):
                await informer.synced.wait()
                while True:
                    changed.clear()
                    found = [one for one in informer.all() if namespace in ("", meta.namespace(one))]
                    if test(found):
                        return found
                    await changed.wait()
        except TimeoutError:
            raise AssertionError(f"still not, after {PATIENCE} s: {found}") from None

    async def until_one(self, of: Collection, name: str, test: Callable[[Object], Any], namespace: str = "") -> Object:
        """The object as soon as the test holds for it; one that lacks a field does not hold yet."""
        found: list[Object] = []

        def holds(objects: list[Object]) -> bool:
            found[:] = [one for one in objects if meta.name(one) == name]
            try:
                return bool(found) and bool(test(found[0]))
            except KeyError:
                return False

        await self.until(of, holds, namespace)
        return found[0]

    def resources(self) -> list[Resource]:
        """What the server serves now."""
        return self.api.registry.resources()

    async def until_gone(self, of: Collection, name: str, namespace: str = "") -> None:
        await self.until(of, lambda found: all(meta.name(one) != name for one in found), namespace)

    async def calm(self, *controllers: Controller) -> None:
        """Returns when the controllers have nothing left to do with all that is written now, nor soon after."""
        store, quiet, before = self.api.core.store, 0, -1
        async with asyncio.timeout(PATIENCE):
            while quiet < 20:
                busy = store.revision != before or any(map(_is_busy, controllers))
                quiet, before = 0 if busy else quiet + 1, store.revision
                await asyncio.sleep(0)

    # What many tests need

    async def namespace(self, name: str) -> Object:
        return await self.create(NAMESPACES, {"metadata": {"name": name}})

    async def node(self, name: str, **rest: Any) -> Object:
        metadata = {"name": name, **rest.pop("metadata", {})}
        status = rest.pop("status", None)
        made = await self.create(NODES, {"metadata": metadata, **rest})
        return await self.status(NODES, made, status) if status else made

    async def pod(self, name: str, namespace: str = "default", **rest: Any) -> Object:
        spec = {"containers": [{"name": "main", "image": "busybox"}], **rest.pop("spec", {})}
        return await self.create(PODS, {"metadata": {"name": name, **rest}, "spec": spec}, namespace)

    async def running(self, pod: Object, address: str, *, ready: bool = True) -> Object:
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        told = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [condition]}
        return await self.status(PODS, pod, told)

    async def service(self, name: str, namespace: str = "default", **spec: Any) -> Object:
        wanted = {"selector": {"app": name}, "ports": [{"port": 80}], **spec}
        wanted = {key: value for key, value in wanted.items() if value is not None}
        return await self.create(SERVICES, {"metadata": {"name": name}, "spec": wanted}, namespace)


def _is_busy(controller: Controller) -> bool:
    """Whether it works, or will within a second: what failed is tried again."""
    queue, soon = controller.queue, asyncio.get_running_loop().time() + 1
    return not queue.idle or any(timer.when() < soon for timer in queue._later.values())


@asynccontextmanager
async def working(*make: Make) -> AsyncIterator[World]:
    """An API server of its own with these controllers; all gone after. `make`: what of, or a function of the world."""
    store = MemoryStore()
    # Nobody makes accounts here, and nobody takes finalizers or taints away.
    disabled = frozenset(("ServiceAccount", "StorageObjectInUseProtection", "TaintNodesByCondition"))
    api = await Kubernetes.open(store, keys(), Options(disabled=disabled))
    await api.boot()
    world = World(api, api.client(ROOT, "kube-controller-manager"))
    task = asyncio.create_task(run_all(world.shared, [made(one, world) for one in make]))
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await api.close()
        store.close()


def made(make: Make, world: World) -> Controller:
    return make(world.shared) if isinstance(make, type) else make(world)  # type: ignore[call-arg,arg-type]
