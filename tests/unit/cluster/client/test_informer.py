from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from corral.cluster.client.informer import Informer
from corral.cluster.client.protocol import Collection, Event, Listing, Object
from corral.model.kubernetes.status import expired

PODS = Collection("", "v1", "pods")


def pod(name: str, version: int, **labels: str) -> Object:
    return {
        "metadata": {
            "name": name,
            "namespace": "d",
            "uid": f"u-{name}",
            "resourceVersion": str(version),
            "labels": labels,
        }
    }


class FakeClient:
    """Lists what it was given, and watches a queue; an exception in the queue is raised."""

    def __init__(self, *listings: Listing) -> None:
        self.listings = list(listings)
        self.events: asyncio.Queue[Event | Exception | None] = asyncio.Queue()
        self.watched_from: list[str] = []

    async def list(self, of: Collection, namespace: str = "", **where: Any) -> Listing:
        return self.listings.pop(0) if len(self.listings) > 1 else self.listings[0]

    async def watch(
        self, of: Collection, namespace: str = "", *, resource_version: str, **where: Any
    ) -> AsyncIterator[Event]:
        self.watched_from.append(resource_version)
        while (event := await self.events.get()) is not None:
            if isinstance(event, Exception):
                raise event
            yield event


class Run:
    def __init__(self, client: FakeClient) -> None:
        self.informer = Informer(client, PODS)  # type: ignore[arg-type]

    async def __aenter__(self) -> Informer:
        self.task = asyncio.create_task(self.informer.run())
        await asyncio.wait_for(self.informer.synced.wait(), 60)
        return self.informer

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def test_a_list_then_changes() -> None:
    client = FakeClient(Listing([pod("a", 1), pod("b", 2)], "5"))
    async with Run(client) as informer:
        told: list[tuple[str | None, str | None]] = []

        def changed(old: Object | None, new: Object | None) -> None:
            told.append((old and old["metadata"]["resourceVersion"], new and new["metadata"]["resourceVersion"]))

        informer.on_change(changed)
        assert told == [(None, "1"), (None, "2")]
        for event in (
            Event("MODIFIED", pod("a", 6)),
            Event("ADDED", pod("c", 7)),
            Event("DELETED", pod("b", 8)),
            Event("BOOKMARK", {"metadata": {"resourceVersion": "9"}}),
        ):
            client.events.put_nowait(event)
        await asyncio.wait_for(informer.seen({"metadata": {"resourceVersion": "9"}}), 60)
        assert told[2:] == [("1", "6"), (None, "7"), ("8", None)]
        assert sorted(obj["metadata"]["name"] for obj in informer.all()) == ["a", "c"]
        assert informer.get("d/b") is None and len(informer) == 2


async def test_a_watch_that_ended_goes_on_where_it_was() -> None:
    client = FakeClient(Listing([], "5"))
    async with Run(client) as informer:
        client.events.put_nowait(Event("ADDED", pod("a", 6)))
        client.events.put_nowait(None)
        client.events.put_nowait(Event("ADDED", pod("b", 7)))
        await asyncio.wait_for(informer.seen(pod("b", 7)), 60)
        assert client.watched_from == ["5", "6"]


async def test_a_version_that_is_too_old_is_listed_anew_and_what_went_meanwhile_is_told() -> None:
    client = FakeClient(Listing([pod("a", 1), pod("b", 2)], "5"), Listing([pod("b", 2), pod("c", 8)], "9"))
    async with Run(client) as informer:
        told: list[tuple[str, str]] = []
        informer.on_change(
            lambda old, new: told.append(
                (old["metadata"]["name"] if old else "", new["metadata"]["name"] if new else "")
            )
        )
        client.events.put_nowait(expired("too old"))
        await asyncio.wait_for(informer.seen(pod("c", 8)), 60)
        assert told[2:] == [("a", ""), ("", "c")]


async def test_an_index_follows_the_objects() -> None:
    client = FakeClient(Listing([pod("a", 1, app="x")], "5"))
    async with Run(client) as informer:
        informer.add_index("app", lambda obj: [obj["metadata"]["labels"]["app"]])
        client.events.put_nowait(Event("ADDED", pod("b", 6, app="x")))
        client.events.put_nowait(Event("MODIFIED", pod("a", 7, app="y")))
        client.events.put_nowait(Event("DELETED", pod("b", 8, app="x")))
        client.events.put_nowait(Event("ADDED", pod("c", 9, app="y")))
        await asyncio.wait_for(informer.seen(pod("c", 9)), 60)
        assert informer.indexed("app", "x") == []
        assert [obj["metadata"]["name"] for obj in informer.indexed("app", "y")] == ["a", "c"]


async def test_who_does_not_understand_an_object_keeps_nothing_from_others() -> None:
    seen = []

    def broken(old: Object | None, new: Object | None) -> None:
        raise KeyError("spec")

    client = FakeClient(Listing([pod("a", 1)], "1"))
    async with Run(client) as informer:
        with suppress(KeyError):
            informer.on_change(broken)
        informer.on_change(lambda old, new: seen.append((new or {})["metadata"]["name"]))
        client.events.put_nowait(Event("ADDED", pod("b", 2)))
        await asyncio.wait_for(informer.seen(pod("b", 2)), 60)
        client.events.put_nowait(Event("ADDED", pod("c", 3)))
        await asyncio.wait_for(informer.seen(pod("c", 3)), 60)
    assert seen == ["a", "b", "c"]
