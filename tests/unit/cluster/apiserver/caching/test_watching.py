"""One client's watch: what it is told, in which order, and when it is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from corral.cluster.apiserver.caching import log as window
from corral.cluster.apiserver.caching import watching
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.caching.item import stored_bytes
from corral.cluster.apiserver.caching.selection import FieldTerm, Selection
from corral.cluster.apiserver.caching.watching import Watcher
from corral.model.kubernetes.status import StatusError
from corral.store.memory import MemoryStore


def pod(name: str, **labels: str) -> bytes:
    return stored_bytes({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "labels": labels}})


class Setting:
    """A store, its caches, and watchers of its pods."""

    def __init__(self, store: MemoryStore, caches: Caches) -> None:
        self.store, self.caches = store, caches
        self.cache = caches.cache("", "pods")

    async def put(self, name: str, **labels: str) -> None:
        await self.store.commit({f"/registry/core/pods/n/{name}": pod(name, **labels)})
        await self.caches.fresh()

    async def take(self, name: str) -> None:
        await self.store.commit({}, [f"/registry/core/pods/n/{name}"])
        await self.caches.fresh()

    def watcher(self, selection: Selection | None = None, **options: object) -> Watcher:
        place = self.cache.log.end
        given = {"seconds": 100.0, **options}
        return Watcher(self.caches, self.cache, selection or Selection(), place, (), **given)  # type: ignore[arg-type]


@pytest_asyncio.fixture
async def setting() -> AsyncIterator[Setting]:
    store = MemoryStore()
    caches = await Caches.open(store)
    yield Setting(store, caches)
    await caches.close()
    store.close()


async def told(watcher: Watcher, count: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    async for batch in watcher.happenings():
        found += [(one.type, one.item.name if one.item else "") for one in batch]
        if len(found) >= count:
            break
    return found


async def test_changes_come_in_order_while_they_happen(setting: Setting) -> None:
    watcher = setting.watcher()
    reading = asyncio.ensure_future(told(watcher, 4))
    await setting.put("a")
    await setting.put("b")
    await setting.put("a", x="y")
    await setting.take("b")
    assert await reading == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]


async def test_a_selection_by_fields(setting: Setting) -> None:
    named = FieldTerm("metadata.name", "a", False, None)
    reading = asyncio.ensure_future(told(setting.watcher(Selection(fields=[named])), 1))
    await setting.put("a")
    await setting.put("b")
    assert await reading == [("ADDED", "b")]


async def test_who_falls_behind_is_cut_off(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(window, "WINDOW", 3)
    watcher = setting.watcher()
    for number in range(5):
        await setting.put(f"p{number}")
    with pytest.raises(StatusError) as caught:
        watcher.take()
    assert (caught.value.code, caught.value.reason) == (410, "Expired")


async def test_bookmarks_come_in_their_time_and_before_the_end(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.02)
    monkeypatch.setattr(watching, "BEFORE_THE_END", 0.01)
    found = await told(setting.watcher(seconds=0.2, bookmarks=True), 1000)
    assert len(found) >= 2 and set(found) == {("BOOKMARK", "")}
    assert await told(setting.watcher(seconds=0.05), 1) == []


async def test_the_end_of_the_caches_is_the_end_of_watches(setting: Setting) -> None:
    reading = asyncio.ensure_future(told(setting.watcher(), 1))
    await asyncio.sleep(0)
    await setting.caches.close()
    assert await reading == []


async def test_a_watch_that_waits_leaves_no_timer_behind(setting: Setting) -> None:
    watcher = setting.watcher(bookmarks=True)
    waiting = asyncio.ensure_future(watcher.wait())
    await asyncio.sleep(0)
    assert watcher._alarm is not None
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    watcher.close()
    assert watcher._alarm is None and not setting.cache.log._waiters
