"""What every Client promises, of the one in the server's process and of the one over HTTPS."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from corral.cluster.apiserver.app import Kubernetes
from corral.cluster.apiserver.certificates import pki
from corral.cluster.client.builtin import DEPLOYMENTS, PODS
from corral.cluster.client.https.remote import RemoteClient, make_context
from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import APPLY_PATCH, JSON_PATCH, Client, Collection, Event
from corral.errors import Unavailable
from corral.http.server import Server
from corral.http.tls import server_context
from corral.model.kubernetes.status import StatusError
from corral.store.memory import MemoryStore
from tests.support.apiserver import admin, api_server

CONFIGS = Collection("", "v1", "configmaps")
NODES = Collection("", "v1", "nodes")


class Fickle(MemoryStore):
    """A store that is away now and then, as an etcd is that was killed."""

    away = False

    async def latest(self) -> int:
        if self.away:
            raise Unavailable("the store is away")
        return await super().latest()


class Served(NamedTuple):
    api: Kubernetes
    client: Client
    server: Server
    store: Fickle


@pytest_asyncio.fixture(params=["local", "remote"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Served]:
    store = Fickle()
    async with api_server(tmp_path, store) as api:
        made = pki.ensure(tmp_path / "pki", pki.server_names("10.96.0.1"), int(time.time()))
        server = Server(api.handle)
        context = server_context(str(made.server), str(made.server), made.client_authorities)
        port = await server.listen_tcp("127.0.0.1", 0, context)
        if request.param == "local":
            yield Served(api, admin(api), server, store)
        else:
            client = RemoteClient(f"https://127.0.0.1:{port}", make_context(made.ca, str(made.admin)), "test")
            yield Served(api, client, server, store)
            client.close()
        await api.close()
        await server.close(grace=0.5)
    store.close()


@pytest.fixture
def client(served: Served) -> Client:
    return served.client


def config(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": {"n": name}}, "data": data}


async def next_of(events: AsyncIterator[Event]) -> tuple[str, str]:
    async for event in events:
        if event.type != "BOOKMARK":
            return event.type, event.object["metadata"]["name"]
    raise AssertionError("the watch has ended")


async def test_objects_come_and_go(client: Client) -> None:
    made = await client.create(CONFIGS, config("a", k="1"), "default")
    assert await client.get(CONFIGS, "a", "default") == made
    changed = await client.update(CONFIGS, {**made, "data": {"k": "2"}})
    assert changed["data"] == {"k": "2"} and changed["metadata"]["managedFields"][0]["manager"] == "test"
    patched = await client.patch(CONFIGS, "a", "default", patch={"data": {"l": "3"}})
    assert patched["data"] == {"k": "2", "l": "3"}
    operations = [{"op": "remove", "path": "/data/k"}]
    assert (await client.patch(CONFIGS, "a", "default", patch=operations, type=JSON_PATCH))["data"] == {"l": "3"}
    await client.delete(CONFIGS, "a", "default", options={"preconditions": {"uid": made["metadata"]["uid"]}})
    with pytest.raises(StatusError) as caught:
        await client.get(CONFIGS, "a", "default")
    assert (caught.value.code, caught.value.reason) == (404, "NotFound")
    assert caught.value.message == 'configmaps "a" not found' and caught.value.details["name"] == "a"


async def test_apply_names_its_manager_and_can_force(client: Client) -> None:
    await client.create(CONFIGS, config("a", k="1"), "default")
    applied = config("a", k="2")
    with pytest.raises(StatusError, match="conflict") as caught:
        await client.patch(CONFIGS, "a", "default", patch=applied, type=APPLY_PATCH, field_manager="me")
    assert caught.value.reason == "Conflict"
    done = await client.patch(CONFIGS, "a", "default", patch=applied, type=APPLY_PATCH, field_manager="me", force=True)
    assert done["data"] == {"k": "2"} and "me" in {one["manager"] for one in done["metadata"]["managedFields"]}


async def test_who_is_late_is_told(client: Client) -> None:
    made = await client.create(CONFIGS, config("a"), "default")
    await client.update(CONFIGS, {**made, "data": {"k": "1"}})
    with pytest.raises(StatusError) as caught:
        await client.update(CONFIGS, {**made, "data": {"k": "2"}})
    assert (caught.value.code, caught.value.reason) == (409, "Conflict")


async def test_unknown_fields_are_refused(client: Client) -> None:
    with pytest.raises(StatusError, match="unknown field"):
        await client.create(CONFIGS, {**config("a"), "dada": {}}, "default")


async def test_lists_by_label_and_field_say_what_is_in_them(client: Client) -> None:
    for name in ("a", "b"):
        await client.create(CONFIGS, config(name), "default")
    by_label = await client.list(CONFIGS, "default", label_selector="n=a")
    by_field = await client.list(CONFIGS, field_selector="metadata.name=b")
    assert [one["metadata"]["name"] for one in (*by_label.items, *by_field.items)] == ["a", "b"]
    again = await client.update(CONFIGS, {**by_label.items[0], "data": {"k": "v"}})
    assert int(again["metadata"]["resourceVersion"]) > int(by_label.resource_version)


async def test_subresources(client: Client) -> None:
    await client.create(NODES, {"metadata": {"name": "n1"}})
    node = await client.get(NODES, "n1")
    told = {**node, "status": {**node["status"], "phase": "Running"}}
    assert (await client.update(NODES, told, subresource="status"))["status"]["phase"] == "Running"
    spec = {"containers": [{"name": "c", "image": "i"}]}
    await client.create(PODS, {"metadata": {"name": "p"}, "spec": spec}, "default")
    binding = {"metadata": {"name": "p", "namespace": "default"}, "target": {"kind": "Node", "name": "n1"}}
    await client.create(PODS, binding, subresource="binding")
    assert (await client.get(PODS, "p", "default"))["spec"]["nodeName"] == "n1"


async def test_a_watch_tells_all_that_came_after_a_list(client: Client) -> None:
    await client.create(CONFIGS, config("a"), "default")
    listing = await client.list(CONFIGS, "default")
    made = await client.create(CONFIGS, config("b"), "default")
    events = client.watch(CONFIGS, "default", resource_version=listing.resource_version)
    assert await next_of(events) == ("ADDED", "b")
    await client.update(CONFIGS, {**made, "data": {"k": "é" * 3000}})
    assert await next_of(events) == ("MODIFIED", "b")
    await client.delete(CONFIGS, "a", "default")
    assert await next_of(events) == ("DELETED", "a")
    await events.aclose()  # type: ignore[attr-defined]


async def test_a_watch_from_the_future_or_of_nothing_fails(client: Client) -> None:
    with pytest.raises(StatusError) as caught:
        await next_of(client.watch(Collection("", "v1", "nothings"), resource_version="1"))
    assert caught.value.code == 404


async def test_an_informer_keeps_up_and_waits_for_its_own_writes(client: Client) -> None:
    informer = Informer(client, DEPLOYMENTS)
    task = asyncio.create_task(informer.run())
    await informer.synced.wait()
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    deployment = {"metadata": {"name": "web"}, "spec": {"selector": {"matchLabels": labels}, "template": template}}
    made = await client.create(DEPLOYMENTS, deployment, "default")
    await asyncio.wait_for(informer.seen(made), 60)
    assert informer.get("default/web") is not None
    task.cancel()


async def test_a_store_that_is_away_is_a_status(served: Served) -> None:
    client, made = served.client, await served.client.create(CONFIGS, config("a"), "default")
    served.store.away = True
    calls = [
        client.get(CONFIGS, "a", "default"),
        client.list(CONFIGS, "default"),
        client.update(CONFIGS, made),
        client.patch(CONFIGS, "a", "default", patch={"data": {"k": "v"}}),
        client.delete(CONFIGS, "a", "default"),
        next_of(client.watch(CONFIGS, "default", resource_version=made["metadata"]["resourceVersion"])),
    ]
    for call in calls:
        with pytest.raises(StatusError) as caught:
            await call
        assert (caught.value.code, caught.value.reason) == (503, "ServiceUnavailable"), call


async def test_an_informer_outlives_a_store_that_is_away(served: Served) -> None:
    served.store.away = True
    informer = Informer(served.client, CONFIGS)
    task = asyncio.create_task(informer.run())
    with pytest.raises(StatusError):
        await served.client.list(CONFIGS)
    served.store.away = False
    await served.client.create(CONFIGS, config("a"), "default")
    await asyncio.wait_for(informer.synced.wait(), 60)
    assert not task.done()
    task.cancel()
