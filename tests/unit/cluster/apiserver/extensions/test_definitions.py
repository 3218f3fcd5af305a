"""Definitions come and go: what is served, who has a name, and that their objects go before them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from corral.cluster.apiserver.app import Kubernetes
from corral.cluster.client.protocol import Client, Collection
from corral.model.kubernetes.resources import GroupVersionKind
from corral.model.kubernetes.status import StatusError
from corral.store.memory import MemoryStore
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


async def until(client: Client, holds: Callable[[list[Object]], bool]) -> list[Object]:
    """The definitions, once they are so."""
    while True:
        listing = await client.list(CRDS)
        if holds(listing.items):
            return listing.items
        async for _ in client.watch(CRDS, resource_version=listing.resource_version):
            break


async def until_gone(client: Client, name: str) -> None:
    await until(client, lambda items: name not in [one["metadata"]["name"] for one in items])


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
    await until(client, lambda items: [accepted(one) for one in items] == [("NoConflicts", "True")])
    assert await served(api) and api.registry.find(GROUP, "v1", "oxes") is not None
    assert api.registry.find(GROUP, "v1", "cows") is None


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({"kind": "Cow"}, "KindConflict"),
        ({"shortNames": ["moo"]}, "ShortNamesConflict"),
        ({"singular": "beast"}, "SingularConflict"),
        ({"listKind": "HerdList"}, "ListKindConflict"),
    ],
)
async def test_of_several_written_at_once_one_gets_the_name(api: Kubernetes, names: Object, reason: str) -> None:
    """Each has a rule, which is compiled in another process: the others come in meanwhile."""
    client, plurals = admin(api), [f"cows{number}" for number in range(6)]
    rules = {"x-kubernetes-validations": [{"rule": "has(self.metadata)"}]}
    made = [definition(one, one.capitalize(), **rules) for one in plurals]
    for one in made:
        one["spec"]["names"] |= names
    found = {one["metadata"]["name"]: one for one in await asyncio.gather(*(client.create(CRDS, one) for one in made))}
    said = {name: accepted(one) for name, one in found.items()}
    assert sorted(said.values()) == sorted([("NoConflicts", "True")] + [(reason, "False")] * 5)
    first = next(name for name, one in said.items() if one == ("NoConflicts", "True"))
    await api.caches.fresh()
    assert [api.registry.find(GROUP, "v1", one) is not None for one in plurals] == [
        f"{one}.{GROUP}" == first for one in plurals
    ]
    await client.delete(CRDS, first)
    await until_gone(client, first)
    left = await until(client, lambda items: ("NoConflicts", "True") in [accepted(one) for one in items])
    assert sorted(map(accepted, left)) == sorted([("NoConflicts", "True")] + [(reason, "False")] * 4)


async def test_a_name_that_is_given_up_goes_to_who_waits(api: Kubernetes) -> None:
    client = admin(api)
    one, two = definition(), definition("oxes", "Ox")
    for each in (one, two):
        each["spec"]["names"]["shortNames"] = ["moo"]
    made = await client.create(CRDS, one)
    assert accepted(await client.create(CRDS, two)) == ("ShortNamesConflict", "False")
    made["spec"]["names"]["shortNames"] = ["muh"]
    await client.update(CRDS, made)
    found = await until(client, lambda items: {accepted(each) for each in items} == {("NoConflicts", "True")})
    assert [each["status"]["acceptedNames"]["shortNames"] for each in found] == [["muh"], ["moo"]]
    assert await served(api, kind="Ox")


async def test_who_still_waits_gets_a_free_name_from_the_next_server(tmp_path: Path) -> None:
    """The server ended between the end of the one and the turn of the other."""
    store = MemoryStore()
    async with api_server(tmp_path, store) as api:
        for one in (definition(), definition("oxes")):
            await admin(api).create(CRDS, one)
    keys = [one.key for one in (await store.range("")).entries]
    gone = f"/registry/apiextensions.k8s.io/customresourcedefinitions//cows.{GROUP}"
    claims = [key for key in keys if key.startswith("/claims/definitions/") and not key.endswith(("oxes", "oxe"))]
    assert gone in keys and f"/claims/definitions/{GROUP}/kinds/Cow" in claims
    await store.commit({}, [gone, *claims])
    async with api_server(tmp_path, store) as api:
        await until(admin(api), lambda items: [accepted(one) for one in items] == [("NoConflicts", "True")])


async def test_two_servers_of_one_store_give_a_name_once(tmp_path: Path) -> None:
    store = MemoryStore()
    async with api_server(tmp_path, store) as one, api_server(tmp_path, store) as two:
        made = await asyncio.gather(
            *(admin(api).create(CRDS, definition(plural)) for api, plural in ((one, "cows"), (two, "oxes")))
        )
        assert sorted(map(accepted, made)) == [("KindConflict", "False"), ("NoConflicts", "True")]


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
