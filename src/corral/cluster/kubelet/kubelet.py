"""The kubelet: a worker for each pod that is bound to this node, and the node's own reports.

::

    pods of this node ──informer──> workers ──> engine
    engine's events ───────wake───────┘
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Final

from corral.cluster.client import meta
from corral.cluster.client.builtin import NODES, PODS, SERVICES
from corral.cluster.client.events import Events
from corral.cluster.client.informer import Informer
from corral.cluster.client.metering.meter import PodMeter
from corral.cluster.client.protocol import Client
from corral.cluster.kubelet.access import PodAccess
from corral.cluster.kubelet.barrier import Barrier, no_barrier
from corral.cluster.kubelet.devices.manager import Devices, wants_devices
from corral.cluster.kubelet.devices.prepared import PreparedClaims
from corral.cluster.kubelet.devices.registry import Registry, keep_running
from corral.cluster.kubelet.devices.wiping import Wiper
from corral.cluster.kubelet.eviction.manager import EvictionManager
from corral.cluster.kubelet.garbage.collector import ImageCollector
from corral.cluster.kubelet.images import Borrow, ImagePuller, nobody
from corral.cluster.kubelet.index import Index
from corral.cluster.kubelet.lifecycle.ending import grace_of
from corral.cluster.kubelet.lifecycle.preemption import MESSAGE, REASON
from corral.cluster.kubelet.metering.reading import read_sample
from corral.cluster.kubelet.naming import UID, UNLISTED, pod_of
from corral.cluster.kubelet.network import (
    describe_busy,
    describe_clash,
    describe_families,
    ensure_network,
    subnets_of,
)
from corral.cluster.kubelet.node.host import read_machine
from corral.cluster.kubelet.node.reporter import NodeReporter
from corral.cluster.kubelet.node.status import plan_allocatable, plan_capacity, plan_node
from corral.cluster.kubelet.pulls import PullRecords
from corral.cluster.kubelet.settings import Settings
from corral.cluster.kubelet.shared import Shared
from corral.cluster.kubelet.sources import Sources
from corral.cluster.kubelet.static.mirror import is_mirror
from corral.cluster.kubelet.static.pods import StaticPods
from corral.cluster.kubelet.volumes.tokens import Issue, issue_with
from corral.cluster.kubelet.worker.worker import PodWorker
from corral.engine.engine import Engine
from corral.kit.clock import SystemClock
from corral.kit.tasks import Tasks
from corral.linux.limits import probe
from corral.linux.private import make_private
from corral.model.event import Event
from corral.model.kubernetes.status import StatusError

Object = dict[str, Any]

log = logging.getLogger("corral.kubelet")

WOKEN_BY: Final = ("start", "die", "oom", "destroy")
PATIENCE: Final = 5.0  # seconds that static pods wait for the API, which knows how they were
CLEANUP: Final = 10.0  # seconds, at the least, that are waited for pods that make room


class Kubelet:
    """`run` until it is cancelled, then `close`: the pods go on without it. For the API server: `access` and `meter`.

    `barrier` returns when no new connection is led to a pod by this node, `neighbours` when by no other; `issue` gives
    tokens of service accounts. `borrow` brings an image from a neighbour.
    """

    def __init__(
        self,
        engine: Engine,
        client: Client,
        node_name: str,
        settings: Settings,
        *,
        barrier: Barrier = no_barrier,
        neighbours: Barrier = no_barrier,
        issue: Issue | None = None,
        borrow: Borrow = nobody,
    ) -> None:
        self.engine, self._client, self.settings = engine, client, settings
        self.events = Events(client)
        recorder = self.events.recorder("kubelet", node_name)
        self.machine = read_machine(engine, node_name, settings.addresses, settings.families)
        self._known = Informer(client, PODS, field_selector=f"spec.nodeName={node_name}")
        self._services = Informer(client, SERVICES)
        self._node = Informer(client, NODES, field_selector=f"metadata.name={node_name}")
        self._plugins = Registry(settings.plugins or f"{settings.root}/plugins_registry", self._driver_changed)
        self._wiper = Wiper(client, node_name, lambda driver: self._plugins.plugin(driver) is not None)
        self.shared = Shared(
            engine=engine,
            client=client,
            events=recorder,
            settings=settings,
            node=node_name,
            sources=Sources(client, self._source_changed),
            puller=ImagePuller(engine, recorder, PullRecords(settings.root, settings.lender), borrow),
            collector=ImageCollector(engine, settings.garbage, recorder, node_name, settings.root),
            issue=issue or issue_with(client),
            services=self._services,
            index=Index(engine),
            devices=Devices(client, self._plugins, PreparedClaims(settings.root), settings.cdi),
            addresses=self.machine.addresses,
            allocatable=plan_allocatable(plan_capacity(self.machine, settings.max_pods), settings.eviction.thresholds),
            memory=self.machine.memory,
            barrier=barrier,
            neighbours=neighbours,
        )
        self._eviction = EvictionManager(self.shared, lambda: list(self._workers.values()), self._short)
        self.shared.short_of = lambda: self._eviction.conditions
        self.shared.others, self.shared.preempt, self.shared.node_now = self._others, self._preempt, self.node_now
        self.shared.apparmor = probe().apparmor
        self.access = PodAccess(self.shared)
        clock = SystemClock()
        self.meter = PodMeter(node_name, clock, lambda: read_sample(engine, self.shared.index, clock))
        self._static: StaticPods | None = None
        if settings.manifests:
            self._static = StaticPods(client, settings.manifests, node_name, self._begin, self._end_static)
            self.shared.show = self._static.show
        self.port = 0  # where it is asked over HTTPS, once it can be
        self.begun = asyncio.Event()  # what can be done is under way, be it without the API
        self.ready = asyncio.Event()  # the node is registered, and what ran has been taken over
        self._reporter: NodeReporter | None = None
        self._static_begun = False
        self._workers: dict[str, PodWorker] = {}
        self._tasks = Tasks()

    async def run(self) -> None:
        for place in (self.settings.root, self.settings.run):
            make_private(place)  # secrets, tokens and what pods keep are below: not for this machine's users
        settings = self.settings
        network = await ensure_network(self.engine, settings.pod_subnets, settings.families, open=settings.open_network)
        self.shared.network, subnets = network.name, subnets_of(network, settings.families)
        if clash := describe_clash(subnets, await self.engine.networks.taken()):
            log.error("%s", clash)
        if lack := describe_families(subnets, settings.families):
            log.warning("%s", lack)
        self.shared.index.load()
        self.shared.devices.known.load()
        self.shared.collector.load()
        self.shared.puller.begin()
        self._tasks.start("kubelet plugins", keep_running(self._plugins))
        self._tasks.start("kubelet events", self.events.run())
        self._reporter = reporter = NodeReporter(
            self._client,
            self.engine,
            self.machine,
            subnets,
            settings,
            short_of=self.shared.short_of,
            port=lambda: self.port,
            busy=self._busy,
        )
        self._tasks.start("kubelet wakes", self._listen())
        if self._static is not None:
            await asyncio.to_thread(self._static.load)
        await self._join(reporter)
        self._known.on_change(self._pod_changed)
        self._take_over()
        if self._static is not None:
            self._begin_static(self._static)
            self._tasks.start("kubelet mirrors", self._static.mirror())
        self._tasks.start("kubelet eviction", self._eviction.run())
        self._tasks.start("kubelet images", self.shared.collector.run())
        self._tasks.start("kubelet resourceslices", self._wiper.run())
        self.begun.set()
        self.ready.set()
        log.info("node %s runs the pods of %s", self.machine.name, " and ".join(subnets))
        await reporter.run()

    async def _join(self, reporter: NodeReporter) -> None:
        """Returns when the API knows the node, and its pods are known here. Static pods do not wait for an API that
        cannot be reached."""
        joined = self._tasks.start("kubelet joins", self._register(reporter))
        unreached = asyncio.create_task(reporter.unreached.wait())
        try:
            await asyncio.wait({joined, unreached}, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        finally:
            unreached.cancel()
        if not joined.done():
            log.warning("node %s waits for the API; its static pods do not", self.machine.name)
            if self._static is not None:
                self._begin_static(self._static)
            self.begun.set()
        await joined

    async def _register(self, reporter: NodeReporter) -> None:
        await reporter.register()
        self._node.on_change(reporter.changed)
        for informer in (self._services, self._known, self._node):
            self._tasks.start(f"kubelet {informer.of.plural}", informer.run())
            await informer.synced.wait()

    def _begin_static(self, static: StaticPods) -> None:
        """Once."""
        if not self._static_begun:
            self._static_begun = True
            static.reconcile()
            self._tasks.start("kubelet manifests", static.watch())

    async def listens(self, port: int) -> None:
        """From now on the node says that its kubelet is asked there. StatusError, OSError."""
        self.port = port
        if self._reporter is not None and self.ready.is_set():
            await self._reporter.report()

    async def _busy(self) -> str:
        return describe_busy(await self.engine.networks.taken())

    def pods(self) -> list[Object]:
        """All that are bound to this node, as they are known here."""
        return [{"kind": "Pod", "apiVersion": "v1", **one} for one in self._known.all()]

    def pod(self, namespace: str, name: str) -> Object | None:
        return self._known.get(f"{namespace}/{name}")

    def _take_over(self) -> None:
        """Pods that are still here, though the API has them no more, are ended."""
        known = {meta.uid(pod) for pod in self._known.all() if not is_mirror(pod)}
        left = self.shared.index.pods() | self.shared.devices.known.pods()
        if self._static is not None:
            known |= {meta.uid(pod) for pod in self._static.wanted().values()}
        for uid in left - known:
            self._begin(pod_of(self._labels(uid)), gone=True)

    def _labels(self, uid: str) -> dict[str, str]:
        """What containers or a space say whose they are."""
        for id in self.shared.index.containers(uid):
            return self.engine.containers.get(id).spec.labels
        if not self.shared.index.space(uid):
            return {UID: uid}  # nothing but devices is left of it
        return self.engine.spaces.get(self.shared.index.space(uid)).spec.labels

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if is_mirror(new or old or {"metadata": {}}):
            if self._static is not None:
                self._static.mirror_changed(old, new)
            return
        if new is None:
            worker = self._workers.get(meta.uid(old)) if old is not None else None
            if worker is not None:
                worker.remove()
            return
        if old is not None and meta.uid(old) != meta.uid(new) and meta.uid(old) in self._workers:
            self._workers[meta.uid(old)].remove()
        new = {"kind": "Pod", "apiVersion": "v1", **new}
        worker = self._workers.get(meta.uid(new))
        if worker is None:
            self._begin(new)
        else:
            worker.update(new)

    def _begin(self, pod: Object, *, gone: bool = False) -> None:
        uid = meta.uid(pod)
        worker = PodWorker(self.shared, pod, lambda: self._forget(uid), gone=gone)
        self._workers[uid] = worker
        self._tasks.start(f"pod {meta.namespace(pod)}/{meta.name(pod)}", worker.run())

    def _forget(self, uid: str) -> None:
        self._workers.pop(uid, None)
        for worker in self._workers.values():
            if worker.resizer.pending is not None:
                worker.wake()  # there may be room now
        if self._static is not None:
            self._static.ended(uid)

    def _others(self, uid: str) -> list[Object]:
        """The pods that take of the node's resources, but that one, as they run."""
        return [one.resizer.pod() for one in self._workers.values() if one.uid != uid and one.has_place()]

    async def _preempt(self, uids: Sequence[str]) -> None:
        """Those pods go for a critical one: returns when they have ended, or cannot be waited for any longer."""
        victims = [self._workers[uid] for uid in uids if uid in self._workers]
        for one in victims:
            one.evict(MESSAGE, None, disrupted=True, reason=REASON)
        for one in victims:
            try:
                async with asyncio.timeout(max(CLEANUP, 1.5 * grace_of(one.pod))):
                    await one.ended.wait()
            except TimeoutError:
                log.warning("pod %s was to make room, and has not ended yet", one.uid)

    def node_now(self) -> Object:
        """The Node as the API has it, or as it would be registered where the API has not been heard of yet."""
        known = self._node.get(self.machine.name)
        if known is not None and (known.get("status") or {}).get("allocatable"):
            return known
        made = plan_node(self.machine, (), self.settings.labels)
        return {**made, "status": {"allocatable": dict(self.shared.allocatable)}}

    def _end_static(self, uid: str) -> None:
        if uid in self._workers:
            self._workers[uid].remove()

    async def _short(self) -> None:
        """The node is short of something, or no longer: everybody is told at once."""
        try:
            if self._reporter is not None:
                await self._reporter.report()
        except (StatusError, OSError) as error:
            log.warning("node %s: %s", self.machine.name, error)  # the next report says it

    def _driver_changed(self, driver: str) -> None:
        """Pods may have waited for it."""
        self._wiper.changed(driver)
        for worker in self._workers.values():
            if wants_devices(worker.pod):
                worker.wake()

    def _source_changed(self, uid: str) -> None:
        worker = self._workers.get(uid)
        if worker is not None:
            worker.sources_changed()

    async def _listen(self) -> None:
        """Every end of a container wakes its pod. Who has missed some looks at all."""
        while True:
            async for event in self.engine.events.subscribe(match=_is_ours):
                worker = self._workers.get(event.attributes.get(UID, ""))
                if worker is not None:
                    worker.wake()
            for worker in list(self._workers.values()):
                worker.wake()
            await asyncio.sleep(0)

    async def close(self) -> None:
        """Ends the kubelet's part; containers go on, and the next one takes them over."""
        await self._tasks.close()
        for worker in list(self._workers.values()):
            await worker.close()
        await self.shared.sources.close()
        await self.shared.collector.close()
        await self.shared.puller.close()


def _is_ours(event: Event) -> bool:
    return event.type == "container" and event.unlisted == UNLISTED and event.action in WOKEN_BY
