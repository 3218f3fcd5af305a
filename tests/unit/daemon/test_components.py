"""Several servers on one store: one of them runs the controllers and the scheduler, and another one after it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from corral.cluster.apiserver.app import Kubernetes, Options
from corral.cluster.apiserver.certificates import pki
from corral.cluster.client.builtin import DEPLOYMENTS, NODES, PODS, REPLICA_SETS
from corral.cluster.client.leader import LEASES, Terms
from corral.cluster.client.protocol import Client, Collection
from corral.cluster.client.times import to_micro, utc_now
from corral.cluster.client.usage import Meters
from corral.daemon.components import add_components, lead, may_be_shared, read_id
from corral.store.memory import MemoryStore
from corral.store.sqlite import open_sqlite
from tests.support.apiserver import admin

pytestmark = pytest.mark.timeout(120)
QUICK = Terms(lease=2.0, deadline=1.0, retry=0.05)
PATIENT = Terms(lease=90.0, deadline=80.0, retry=70.0)  # a Lease is given up within `retry`, or not
TEMPLATE = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "busybox"}]},
}


class Server:
    """An API server with its components, on a store that others have, too."""

    def __init__(self, api: Kubernetes, made: pki.Pki, folder: Path) -> None:
        self.api, self._pki, self._folder = api, made, folder
        self.stack = AsyncExitStack()

    async def start(self, *, elected: bool = True, scheduling: str = "") -> None:
        given = (self.stack, self.api, self._pki, self._folder, Meters(), scheduling, 40.0)
        await add_components(*given, elected=elected)


@asynccontextmanager
async def servers(folder: Path) -> AsyncIterator[tuple[Server, Server]]:
    made = pki.ensure(folder / "pki", pki.server_names("10.96.0.1"), int(time.time()))
    store = MemoryStore()
    async with AsyncExitStack() as stack:
        stack.callback(store.close)
        found = []
        for number in range(2):
            api = await Kubernetes.open(store, made, Options())
            stack.push_async_callback(api.close)
            await api.boot()
            own = folder / str(number)
            own.mkdir()
            server = Server(api, made, own)
            stack.push_async_callback(server.stack.aclose)
            found.append(server)
        yield found[0], found[1]


async def holder(client: Client, name: str) -> str:
    for lease in (await client.list(LEASES, "kube-system")).items:
        if lease["metadata"]["name"] == name:
            return str(lease["spec"].get("holderIdentity") or "")
    return ""


async def until(client: Client, of: Collection, namespace: str, right: Callable[[list[Any]], bool]) -> list[Any]:
    """The collection, as soon as it is right."""
    while True:
        listing = await client.list(of, namespace)
        if right(listing.items):
            return listing.items
        async for _ in client.watch(of, namespace, resource_version=listing.resource_version):
            break


def held(items: list[Any], *but: str) -> bool:
    """Both of the Leases have holders, which are not those."""
    names = {one["metadata"]["name"]: one["spec"].get("holderIdentity") or "" for one in items}
    wanted = [names.get(name, "") for name in ("kube-controller-manager", "kube-scheduler")]
    return all(wanted) and not set(wanted) & set(but)


async def test_one_works_and_the_other_takes_over(tmp_path: Path) -> None:
    async with servers(tmp_path) as (first, second):
        client = admin(first.api)
        node = await client.create(NODES, {"metadata": {"name": "n1"}})
        size = {"cpu": "4", "memory": "4Gi", "pods": "110"}
        ready = [{"type": "Ready", "status": "True"}]
        status = {**(node.get("status") or {}), "capacity": size, "allocatable": size, "conditions": ready}
        await client.update(NODES, {**node, "status": status}, subresource="status")
        await first.start()
        leases = await until(client, LEASES, "kube-system", held)
        leaders = {one["spec"]["holderIdentity"] for one in leases}
        assert len(leaders) == 1
        await second.start()

        spec = {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
        await client.create(DEPLOYMENTS, {"metadata": {"name": "web", "namespace": "default"}, "spec": spec})
        bound = await until(client, PODS, "default", lambda pods: len([one for one in pods if assigned(one)]) == 2)
        assert len((await client.list(REPLICA_SETS, "default")).items) == 1 and len(bound) == 2
        assert await holder(client, "kube-scheduler") in leaders  # the second has not worked

        await first.stack.aclose()
        client = admin(second.api)
        await until(client, LEASES, "kube-system", lambda items: held(items, *leaders))
        deployment = await client.get(DEPLOYMENTS, "web", "default")
        await client.update(DEPLOYMENTS, {**deployment, "spec": {**deployment["spec"], "replicas": 3}})
        await until(client, PODS, "default", lambda pods: len([one for one in pods if assigned(one)]) == 3)


async def test_a_server_that_was_killed_leads_again_at_once(tmp_path: Path) -> None:
    """Nobody else is called so; others would wait for the hour that it has asked for."""
    async with servers(tmp_path) as (first, _):
        client, identity = admin(first.api), f"{socket.gethostname()}_{read_id(tmp_path / '0')}"
        now = to_micro(utc_now())
        for name in ("kube-controller-manager", "kube-scheduler"):
            spec = {"holderIdentity": identity, "leaseDurationSeconds": 3600, "acquireTime": now, "renewTime": now}
            metadata = {"name": name, "namespace": "kube-system"}
            await client.create(LEASES, {"metadata": metadata, "spec": spec})
        await first.start()

        def renewed(leases: list[Any]) -> bool:
            return len(leases) == 2 and all(one["spec"]["renewTime"] > now for one in leases)

        leases = await until(client, LEASES, "kube-system", renewed)
        assert {one["spec"]["holderIdentity"] for one in leases} == {identity}
        assert read_id(tmp_path / "0") == read_id(tmp_path / "0") != read_id(tmp_path / "1")


def test_an_id_that_a_loss_of_power_left_empty_is_none(tmp_path: Path) -> None:
    (tmp_path / "server-id").touch()
    assert read_id(tmp_path) == read_id(tmp_path) != ""


def assigned(pod: Any) -> bool:
    return bool(pod["spec"].get("nodeName"))


async def test_who_has_lost_the_lease_waits_for_its_turn(tmp_path: Path) -> None:
    """Somebody writes the Lease over, as after a time without the store: the work ends, and goes on later."""
    async with servers(tmp_path) as (first, _):
        client, begun, ended = admin(first.api), asyncio.Event(), asyncio.Event()

        def mine(items: list[Any]) -> bool:
            return any(one["metadata"]["name"] == "test" and one["spec"]["holderIdentity"] == "me" for one in items)

        async def work() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                begun.clear()
                ended.set()

        leading = asyncio.create_task(lead(client, "test", "me", work, QUICK))
        await begun.wait()
        while True:
            lease = await client.get(LEASES, "test", "kube-system")
            try:
                await client.update(LEASES, {**lease, "spec": {**lease["spec"], "holderIdentity": "another"}})
                break
            except Exception as error:
                assert getattr(error, "reason", "") == "Conflict"  # it was just renewed
        await ended.wait()
        await begun.wait()
        await until(client, LEASES, "kube-system", mine)  # the other has not renewed it
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)


async def test_who_ends_gives_the_lease_up(tmp_path: Path) -> None:
    async with servers(tmp_path) as (first, _):
        client, begun = admin(first.api), asyncio.Event()

        async def work() -> None:
            begun.set()
            await asyncio.Event().wait()

        leading = asyncio.create_task(lead(client, "test", "me", work, PATIENT))
        await begun.wait()
        assert await holder(client, "test") == "me"
        leading.cancel()
        await asyncio.gather(leading, return_exceptions=True)
        assert await holder(client, "test") == ""  # given up, so that the next need not wait


async def conditions(api: Kubernetes) -> dict[str, tuple[str, str]]:
    """componentstatuses: whether each is healthy, and what is wrong."""
    found = {one["metadata"]["name"]: one["conditions"] for one in await api.components.list("")}
    assert all([one["type"] for one in each] == ["Healthy"] for each in found.values())
    return {name: (one["status"], one.get("error", one.get("message"))) for name, [one] in found.items()}


@pytest.mark.parametrize("elected", [False, True])
async def test_statuses_of_components(tmp_path: Path, elected: bool) -> None:
    async with servers(tmp_path) as (first, _):
        healthy = ("True", "ok")
        assert await conditions(first.api) == {"etcd-0": healthy}
        await first.start(elected=elected)
        assert await conditions(first.api) == dict.fromkeys(("controller-manager", "etcd-0", "scheduler"), healthy)
        await first.stack.aclose()
        ended = ("False", "it has ended")
        expected = {"controller-manager": ended, "etcd-0": healthy, "scheduler": ended}
        assert await conditions(first.api) == expected


async def test_a_scheduler_that_cannot_start_is_not_healthy(tmp_path: Path) -> None:
    async with servers(tmp_path) as (first, _):
        await first.start(elected=False, scheduling=str(tmp_path / "missing.yaml"))
        await asyncio.wait([one for one in asyncio.all_tasks() if one.get_name() == "scheduler"])
        assert (await conditions(first.api))["scheduler"] == ("False", "it has ended")
        assert (await conditions(first.api))["controller-manager"] == ("True", "ok")


def test_who_needs_an_election(tmp_path: Path) -> None:
    assert not may_be_shared(MemoryStore())
    store = open_sqlite(str(tmp_path / "cluster.db"))
    assert not may_be_shared(store)
    store.close()
