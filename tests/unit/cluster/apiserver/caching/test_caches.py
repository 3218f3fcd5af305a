"""The feed and its caches: what they know after commits, restarts, gaps and ends of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from corral.cluster.apiserver.caching import caches as feed
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.caching.item import stored_bytes
from corral.cluster.apiserver.caching.selection import Selection
from corral.errors import Unavailable
from corral.store.interface import Watch
from corral.store.memory import MemoryStore
from corral.store.watching import Hub


def pod(name: str, **labels: str) -> bytes:
    return stored_bytes({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}})


def key(name: str, namespace: str = "shop") -> str:
    return f"/registry/core/pods/{namespace}/{name}"


@pytest_asyncio.fixture
async def store() -> AsyncIterator[MemoryStore]:
    made = MemoryStore()
    yield made
    made.close()


@pytest_asyncio.fixture
async def caches(store: MemoryStore) -> AsyncIterator[Caches]:
    made = await Caches.open(store)
    yield made
    await made.close()


async def test_a_read_sees_every_commit_before_it(store: MemoryStore, caches: Caches) -> None:
    for number in range(50):
        revision = await store.commit({key(f"p{number}"): pod(f"p{number}")})
        assert await caches.fresh() >= revision
        found = caches.get("", "pods", "shop", f"p{number}")
        assert found is not None and found["metadata"]["resourceVersion"] == str(revision)
    await store.commit({}, [key("p7")])
    await caches.fresh()
    assert caches.get("", "pods", "shop", "p7") is None
    assert len(caches.list("", "pods", "shop")) == 49 and caches.list("", "pods", "other") == []


async def test_what_was_there_before(store: MemoryStore) -> None:
    await store.commit({key("old"): pod("old"), "/elsewhere/x": b"1"})
    caches = await Caches.open(store)
    assert [item.key for item in caches.cache("", "pods").list(Selection()).items] == ["shop/old"]
    await caches.close()


async def test_history_is_known_after_a_restart(store: MemoryStore) -> None:
    first = await store.commit({key("a"): pod("a")})
    await store.commit({key("b"): pod("b")})
    await store.commit({}, [key("a")])
    caches = await Caches.open(store)
    log = caches.cache("", "pods").log
    position = log.position(first)
    assert position is not None
    told = [(event.old and event.old.name, event.new and event.new.name) for event in log.after(position)]
    assert told == [(None, "b"), ("a", None)]
    await caches.close()


async def test_history_ends_where_the_store_has_compacted(store: MemoryStore) -> None:
    first = await store.commit({key("a"): pod("a")})
    second = await store.commit({key("b"): pod("b")})
    await store.compact(second)
    caches = await Caches.open(store)
    log = caches.cache("", "pods").log
    assert log.position(first) is None and log.position(second) is not None
    await caches.close()


async def test_a_gap_is_closed_by_comparison(store: MemoryStore) -> None:
    caches = await Caches.open(store)
    told: list[tuple[Any, Any]] = []
    caches.subscribe(
        "", "pods", lambda old, new: told.append((old and old["metadata"]["name"], new and new["metadata"]["name"]))
    )
    await store.commit({key("a"): pod("a"), key("b"): pod("b")})
    await caches.fresh()
    await store.commit({key("c"): pod("c")}, [key("a")])
    await store.compact(store.revision)
    await caches._reload()
    await caches.fresh()
    names = sorted(item.name for item in caches.cache("", "pods").items.values())
    assert names == ["b", "c"] and (("a", None) in told) and ((None, "c") in told)
    await caches.close()


async def test_waiting_for_a_revision(store: MemoryStore, caches: Caches) -> None:
    assert await caches.until(store.revision + 1, 0.01) is False
    waiting = asyncio.ensure_future(caches.until(store.revision + 1, 10))
    await asyncio.sleep(0)
    await store.commit({key("a"): pod("a")})
    assert await waiting is True


async def test_who_is_cancelled_while_the_answer_comes_is_cancelled(store: MemoryStore, caches: Caches) -> None:
    waiting = asyncio.ensure_future(caches.until(store.revision + 1, 10))
    await asyncio.sleep(0)  # it waits now
    caches._waiters[0][1].set_result(None)  # the feed's wake, in the same turn of the loop
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_the_end_of_the_store_ends_waiting(store: MemoryStore, caches: Caches) -> None:
    waiting = asyncio.ensure_future(caches.until(store.revision + 1))
    await asyncio.sleep(0)
    store.close()
    with pytest.raises(Unavailable):
        await waiting
    assert caches.failed
    with pytest.raises(Unavailable):
        await caches.until(10**6)


async def test_what_is_no_object_is_left_out(store: MemoryStore, caches: Caches) -> None:
    await store.commit({key("bad"): b"{}", key("good"): pod("good")})
    await caches.fresh()
    assert list(caches.cache("", "pods").items) == ["shop/good"]


async def test_subscribers_are_told_what_is_there_first(store: MemoryStore, caches: Caches) -> None:
    await store.commit({key("a"): pod("a")})
    await caches.fresh()
    told: list[tuple[Any, Any]] = []
    caches.subscribe("", "pods", lambda old, new: told.append((old, new)))
    await store.commit({key("a"): pod("a", x="y")})
    await store.commit({}, [key("a")])
    await caches.fresh()
    assert [(bool(old), bool(new)) for old, new in told] == [(False, True), (True, True), (True, False)]


async def test_a_subscriber_that_fails_harms_nobody(store: MemoryStore, caches: Caches) -> None:
    def fail(old: Any, new: Any) -> None:
        raise ZeroDivisionError

    told: list[Any] = []
    caches.subscribe("", "pods", fail)
    caches.subscribe("", "pods", lambda old, new: told.append(new))
    await store.commit({key("a"): pod("a")})
    await caches.fresh()
    assert len(told) == 1


class Fickle(MemoryStore):
    """A store that cannot be watched now and then."""

    away = False

    def watch(self, prefix: str, after: int) -> Watch:
        if self.away:
            raise Unavailable("the store is away")
        return super().watch(prefix, after)


async def test_a_store_that_comes_back_is_followed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "RETRY_SECONDS", 0.0)
    store = Fickle()
    caches = await Caches.open(store)
    store.away = True
    store._hub.fail(Unavailable("the connection is lost"))
    waiting = asyncio.ensure_future(caches.until(store.revision + 1))
    with pytest.raises(Unavailable):
        await waiting
    store._hub = Hub(store.revision, store._replay)
    store.away = False
    seen = asyncio.Event()
    caches.subscribe("", "pods", lambda old, new: seen.set())
    await store.commit({key("a"): pod("a")})
    await asyncio.wait_for(seen.wait(), 10)
    assert caches.get("", "pods", "shop", "a") is not None
    await caches.close()
    store.close()
