"""Proxy: one node's firewall, kept as the API says.

proxy = Proxy(informers, "node-1", settings)
await proxy.run()                       # until it is cancelled
await proxy.gone("10.1.0.2", 1.0)       # from another task: nothing new is sent there
await proxy.close()                     # the rules stay: pods go on without us
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from corral.cluster.client import meta
from corral.cluster.client.builtin import ENDPOINT_SLICES, NAMESPACES, NETWORK_POLICIES, NODES, PODS, SERVICES
from corral.cluster.client.informers import Informers
from corral.cluster.client.protocol import Collection, Object
from corral.cluster.proxy.book import Book, Step
from corral.cluster.proxy.flows import addresses_in, addresses_of, is_left, plan_unanswered
from corral.cluster.proxy.health import HealthPorts
from corral.cluster.proxy.policies.watching import Policies
from corral.cluster.proxy.rules import Rules
from corral.cluster.proxy.services import health_port, plan_fronts, plan_leaving, plan_local, targets_of
from corral.cluster.proxy.settings import ProxySettings
from corral.cluster.proxy.told import Told, uids_of
from corral.errors import HostError
from corral.kit.backoff import exponential
from corral.kit.tasks import Tasks
from corral.linux.namespaces import enter_netns
from corral.linux.netlink_watch import Deleted, NetlinkWatch
from corral.model.kubernetes.addresses import pod_subnets
from corral.model.kubernetes.labels import SERVICE_NAME, ZONE

log = logging.getLogger("corral.proxy")
T = TypeVar("T")

FOLLOWED = (SERVICES, ENDPOINT_SLICES, NETWORK_POLICIES, PODS, NAMESPACES, NODES)
_ANSWER = 0.25  # seconds in which a first packet is answered; the second comes after one
_AT_ONCE = 200  # services that are looked at without a pause


def service_key(piece: Object) -> str:
    """Pure: the service that an EndpointSlice belongs to.

    >>> service_key({"metadata": {"namespace": "default", "labels": {"kubernetes.io/service-name": "web"}}})
    'default/web'
    """
    labels = piece["metadata"].get("labels") or {}
    return f"{meta.namespace(piece)}/{labels.get(SERVICE_NAME, '')}"


class Proxy:
    def __init__(self, informers: Informers, node: str, settings: ProxySettings) -> None:
        self._node, self._settings = node, settings
        self._informers = {of: informers.of(of) for of in FOLLOWED}
        self._services, self._slices = self._informers[SERVICES], self._informers[ENDPOINT_SLICES]
        self._slices.add_index("proxy", lambda piece: [service_key(piece)])
        self._slices.add_index("proxy pods", uids_of)
        self._told = Told()
        self._pods = self._informers[PODS]
        self._pods.add_index("proxy uid", lambda pod: [meta.uid(pod)])
        self._pods.add_index("proxy address", addresses_of)
        self._ended: set[str] = set()  # addresses of pods that are gone
        self._book = Book(settings)
        self._health = HealthPorts(settings.netns)
        self._dirty: dict[str, None] = {}
        self._zone = ""
        self._whole = True  # the tables are to be made from nothing
        self._suspect = False  # they may have gone
        self._wanted, self._done = 1, 0  # changes that came, and those that the rules follow; the first are the tables
        self._work = asyncio.Event()
        self._work.set()
        self._changed = asyncio.Condition()
        self._policies = Policies(informers, node, settings.named, self._wake)
        self._thread: ThreadPoolExecutor | None = None
        self._rules: Rules | None = None
        self._tasks = Tasks()
        self._services.on_change(lambda old, new: self._touch(meta.key(new or old or {})))
        self._slices.on_change(self._slice_changed)
        self._informers[NODES].on_change(self._node_changed)
        self._pods.on_change(self._pod_changed)

    # ---------------------------------------------------------------------------------------------------- waiting

    async def gone(self, pod_ip: str, timeout: float = 1.0, *, uid: str = "", node: str = "") -> bool:
        """Returns when new connections to services are led to that pod no more, or it is known to be terminating and
        is led to all the same: the last one that a service has. False when the time is over first.

        `uid`: of the pod, where its `node` says that it ends; its word counts before that of EndpointSlices.
        """
        self._hear(uid, node)
        try:
            async with asyncio.timeout(timeout), self._changed:
                wanted = self._wanted
                await self._changed.wait_for(lambda: self._done >= wanted and not self._book.leads_to(pod_ip))
        except TimeoutError:
            return False
        if uid and not self._book.leads(pod_ip):
            self._told.let_go(uid, node, time.monotonic())
        return True

    def _hear(self, uid: str, node: str) -> None:
        """The pod ends, by the word of its node, or because somebody has deleted it."""
        now = time.monotonic()
        if uid and node and self._told.add(uid, node, now):
            self._told.forget(lambda one: bool(self._slices.indexed("proxy pods", one)), now)
            self._touch_services(uid)

    def _touch_services(self, uid: str) -> None:
        for piece in self._slices.indexed("proxy pods", uid):
            self._touch(service_key(piece))

    def _is_there(self, uid: str) -> bool:
        return bool(self._pods.indexed("proxy uid", uid))

    def _pod_changed(self, old: Object | None, new: Object | None) -> None:
        if new is not None and meta.deleting(new):
            self._hear(meta.uid(new), new["spec"].get("nodeName") or "")
        if old is not None and new is None and (left := addresses_of(old)):
            self._ended.update(left)
            self._wake()
        before, now = (meta.uid(one) if one is not None else "" for one in (old, new))
        if old is not None and before != now:
            self._told.let_go(before, old["spec"].get("nodeName") or "", time.monotonic())
        for uid in {before, now} - {""} if before != now else ():
            self._touch_services(uid)

    async def synced(self, resource_version: str, of: Collection = ENDPOINT_SLICES) -> None:
        """Returns when the rules follow that version of an object of the collection (one of `FOLLOWED`)."""
        await self._informers[of].seen({"metadata": {"resourceVersion": resource_version}})
        async with self._changed:
            wanted = self._wanted
            await self._changed.wait_for(lambda: self._done >= wanted)

    # ---------------------------------------------------------------------------------------------------- working

    async def run(self) -> None:
        """Until it is cancelled. What an earlier proxy left stays in force until everything is known."""
        for informer in self._informers.values():
            await informer.synced.wait()
        watch = NetlinkWatch(self._deleted, self._settings.netns)
        failures = 0
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                try:
                    await self._follow()
                    failures = 0
                except HostError as error:
                    log.error("the rules of services cannot be changed, and are made anew: %s", error.message)
                    self._whole = True
                    await asyncio.sleep(exponential(failures, 10, 10_000) / 1000)
                    failures += 1
                    self._wake()
        finally:
            watch.close()

    async def _follow(self) -> None:
        wanted = self._wanted
        dirty, self._dirty = list(self._dirty), {}
        for number, key in enumerate(dirty, 1):
            try:
                await self._look_at(key)
            except (ValueError, LookupError, TypeError):  # one that the API should not have let in; the others go on
                log.exception("service %s stays as it was", key)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        if (policing := self._policies.take()) is not None:
            self._book.put_policing(policing)
        whole = self._whole or (self._suspect and not await self._in_thread(lambda: self._open().present()))
        self._whole = self._suspect = False
        step = self._book.whole() if whole else self._book.take()
        if step is not None:
            await self._in_thread(lambda: self._do(step))
            if unanswered := plan_unanswered(step.change):
                self._tasks.start("forget connections", self._forget_unanswered(unanswered))
        await self._forget_ended(whole)
        async with self._changed:
            self._done = max(self._done, wanted)
            self._changed.notify_all()

    async def _forget_unanswered(self, led_to: dict[tuple[str, int], set[str]]) -> None:
        """Nobody new is led there: who has no answer after a while gets none. Before that one may be under way, and
        would find its connection forgotten."""
        await asyncio.sleep(_ANSWER)
        away = {place: {end for end in ends if not self._book.leads(end)} for place, ends in led_to.items()}
        if any(away.values()):
            await self._in_thread(lambda: self._open().forget_unanswered(away))

    async def _forget_ended(self, whole: bool) -> None:
        """`whole`: pods may have ended that nobody told of."""
        ended, self._ended = self._ended, set()
        gone = [one for one in ended if not self._pods.indexed("proxy address", one)]
        if not gone and not whole:
            return
        is_gone = None
        if whole:
            nodes = self._informers[NODES].all()
            subnets = [subnet for node in nodes for subnet in pod_subnets(node)]
            taken = {address for pod in self._pods.all() for address in addresses_of(pod)}
            taken |= {address for piece in self._slices.all() for address in addresses_in(piece, self._is_there)}
            is_gone = partial(is_left, subnets=subnets, taken=taken)
        await self._in_thread(lambda: self._open().forget_ended(gone, is_gone))

    async def _look_at(self, key: str) -> None:
        service = self._services.get(key)
        if service is None:
            self._book.put_service(key, (), ())
            await self._health.put(key, 0, 0)
            return
        said = self._slices.indexed("proxy", key)
        early = not service["spec"].get("publishNotReadyAddresses")  # else a pod is led to as long as it is there
        slices = [self._told.over(piece, self._is_there) for piece in said] if early else said
        fronts = plan_fronts(service, slices, self._node, self._zone)
        local = plan_local(slices, self._node) if fronts else []
        # Whether one is the last is known from the slices alone: in the next there may be another.
        leaving = plan_leaving(said) if fronts else []
        if leaving and any(one is not other for one, other in zip(slices, said, strict=True)):
            last = targets_of(plan_fronts(service, said, self._node, self._zone))
            leaving = [one for one in leaving if one in last]
        self._book.put_service(key, fronts, local, leaving)
        await self._health.put(key, health_port(service), len(local))

    def _open(self) -> Rules:
        self._rules = self._rules or Rules(self._settings.table)
        return self._rules

    def _do(self, step: Step) -> None:
        rules = self._open()
        rules.run(step.text)
        rules.forget(step.change, sticky=self._book.remembers)

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for piece in (old, new):
            if piece is not None:
                self._touch(service_key(piece))

    def _node_changed(self, old: Object | None, new: Object | None) -> None:
        """A node that moves into another zone finds other endpoints near."""
        if meta.name(new or old or {}) != self._node:
            return
        zone = ((new or {}).get("metadata", {}).get("labels") or {}).get(ZONE, "")
        if zone != self._zone:
            self._zone = zone
            for service in self._services.all():
                self._touch(meta.key(service))

    def _touch(self, key: str) -> None:
        self._dirty[key] = None
        self._wake()

    def _wake(self) -> None:
        self._wanted += 1
        self._work.set()

    def _deleted(self, event: Deleted) -> None:
        """Somebody took something out of the firewall, or it was ourselves: of whole tables `_follow` will see."""
        if event.name not in (self._settings.table, ""):
            return
        if event.kind in ("table", ""):
            self._suspect = True
            self._wake()
        elif event.by and self._rules is not None and not self._rules.did(event.by):
            self._whole = True
            self._wake()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._thread is None:
            netns = self._settings.netns
            enter = (lambda: enter_netns(netns)) if netns is not None else None
            self._thread = ThreadPoolExecutor(1, "proxy", initializer=enter)
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """When `run` has ended. The rules stay; `remove` takes them away."""
        await self._health.close()
        await self._tasks.close()
        if self._thread is not None:
            if self._rules is not None:
                await self._in_thread(self._rules.close)
                self._rules = None
            self._thread.shutdown()
            self._thread = None


def remove(table: str) -> None:
    """Takes the rules of a proxy that does not run away. Blocks; HostError."""
    rules = Rules(table)
    try:
        rules.remove()
    finally:
        rules.close()
