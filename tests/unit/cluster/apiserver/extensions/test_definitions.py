"""Definitions come and go: what is served, who has a name, and that their objects go before them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from corral.cluster.apiserver.app import Kubernetes
from corral.cluster.client.protocol import Client, Collection
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.status import StatusError
from tests.support.apiserver import admin, api_server

Object = dict[str, Any]
pytestmark = pytest.mark.timeout(120)
GROUP = "a.example.com"
CRDS = Collection("apiextensions.k8s.io", "v1", "customresourcedefinitions")
COWS = Collection(GROUP, "v1", "cows")


@pytest_asyncio.fixture
async def api(tmp_path: Path) -> AsyncIterator[Kubernetes]:
    async with api_server(tmp_path) as made:
        yield made


def definition(plural: str = "cows", kind: str = "Cow", versions: tuple[str, ...] = ("v1",), **schema: Any) -> Object:
    found = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, **schema}
    made = [
        {"name": name, "served": True, "storage": name == versions[0], "schema": {"openAPIV3Schema": found}}
        for name in versions
    ]
    names = {"plural": plural, "kind": kind, "singular": plural[:-1], "listKind": f"{plural.capitalize()}List"}
    spec = {"group": GROUP, "scope": "Namespaced", "names": names, "versions": made}
    return {"metadata": {"name": f"{plural}.{GROUP}"}, "spec": spec}


async def served(api: Kubernetes, version: str = "v1", kind: str = "Cow") -> bool:
    await api.caches.fresh()
    return api.registry.of_kind(GroupVersionKind(GROUP, version, kind)) is not None


async def until_gone(client: Client, name: str) -> None:
    while True:
        listing = await client.list(CRDS)
        if name not in [one["metadata"]["name"] for one in listing.items]:
            return
        async for _ in client.watch(CRDS, resource_version=listing.resource_version):
            break


def accepted(found: Object) -> tuple[str, str]:
    """(reason of NamesAccepted, status of Established)."""
    conditions = {one["type"]: one for one in found["status"]["conditions"]}
    return conditions["NamesAccepted"]["reason"], conditions["Established"]["status"]


async def test_it_is_served_with_the_answer_and_as_its_versions_are(api: Kubernetes) -> None:
    client = admin(api)
    made = await client.create(CRDS, definition(versions=("v1", "v2")))
    assert accepted(made) == ("NoConflicts", "True") and await served(api) and await served(api, "v2")
    made["spec"]["versions"][1]["served"] = False
    await client.update(CRDS, made)
    assert await served(api) and not await served(api, "v2")


async def test_its_objects_go_before_it(api: Kubernetes) -> None:
    client = admin(api)
    await client.create(CRDS, definition())
    assert await served(api)
    await client.create(COWS, {"metadata": {"name": "b", "namespace": "default", "finalizers": ["a.b/c"]}})
    await client.delete(CRDS, f"cows.{GROUP}")
    found = await client.get(CRDS, f"cows.{GROUP}")
    assert found["metadata"]["deletionTimestamp"] and await served(api)
    ending = api.registry.find(GROUP, "v1", "cows")
    assert ending is not None and "create" not in ending.resource.verbs
    cow = await client.get(COWS, "b", "default")
    cow["metadata"]["finalizers"] = []
    await client.update(COWS, cow)
    await until_gone(client, f"cows.{GROUP}")
    assert not await served(api)


async def test_who_waits_for_a_name_gets_it_when_it_is_free(api: Kubernetes) -> None:
    client = admin(api)
    await client.create(CRDS, definition())
    assert accepted(await client.create(CRDS, definition("oxes"))) == ("KindConflict", "False")
    await client.delete(CRDS, f"cows.{GROUP}")
    while True:
        listing = await client.list(CRDS)
        if [accepted(one) for one in listing.items] == [("NoConflicts", "True")]:
            break
        async for _ in client.watch(CRDS, resource_version=listing.resource_version):
            break
    assert await served(api) and api.registry.find(GROUP, "v1", "oxes") is not None
    assert api.registry.find(GROUP, "v1", "cows") is None


async def test_rules_must_compile_but_for_those_that_are_there(api: Kubernetes) -> None:
    client = admin(api)
    bad = {"x-kubernetes-validations": [{"rule": "self +"}]}
    with pytest.raises(StatusError, match="rule") as caught:
        await client.create(CRDS, definition(**bad))
    assert caught.value.code == 422
    made = await client.create(CRDS, definition(**{"x-kubernetes-validations": [{"rule": "has(self.metadata)"}]}))
    made["spec"]["versions"][0]["schema"]["openAPIV3Schema"] |= bad
    with pytest.raises(StatusError, match="rule"):
        await client.update(CRDS, made)
