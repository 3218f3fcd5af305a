"""One client's watch: what it is told, in which order, and when it is cut off."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from corral.cluster.apiserver.caching import event as happening
from corral.cluster.apiserver.caching import log as window
from corral.cluster.apiserver.caching import topics, watching
from corral.cluster.apiserver.caching.caches import Caches
from corral.cluster.apiserver.caching.item import stored_bytes
from corral.cluster.apiserver.caching.selection import FieldTerm, Selection
from corral.cluster.apiserver.caching.watching import Watcher, follow, select
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
        given, chosen = {"initial": (), "seconds": 100.0, **options}, selection or Selection()
        changes = follow(self.cache.log, chosen, self.cache.log.end)
        return Watcher(self.caches, changes, chosen, **given)  # type: ignore[arg-type]


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


@pytest.mark.parametrize("selection", [Selection(), Selection("n", "a")])
async def test_much_is_told_in_portions(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, selection: Selection
) -> None:
    """So a client who reads one piece and stops costs a piece, and not all that has happened meanwhile."""
    monkeypatch.setattr(happening, "PORTION", 1000)
    watcher = setting.watcher(selection)
    for number in range(5):
        await setting.put("a", x=f"{number}" * 600)
    told = [[one.new and one.new.labels["x"][0] for one in watcher.take()[1]] for _ in range(4)]
    assert told == [["0", "1"], ["2", "3"], ["4"], []]


async def test_what_was_there_is_told_in_portions(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PORTION", 1000)
    for number in range(5):
        await setting.put(f"p{number}", x="y" * 600)
    watcher = setting.watcher(initial=list(setting.cache.items.values()))
    found = [[one.item and one.item.name for one in watcher.initial()] for _ in range(4)]
    assert found == [["p0", "p1"], ["p2", "p3"], ["p4"], []]


async def test_large_changes_of_few_are_too_much_sooner(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "MOST_BYTES", 5000)
    slow = setting.watcher(Selection("n", "a"))
    for number in range(8):
        await setting.put("a", x=f"{number}" * 1000)
    assert slow.take()[1]
    for number in range(9):
        await setting.put("a", x=f"{number}" * 1000)
    with pytest.raises(StatusError) as caught:
        slow.take()
    assert caught.value.code == 410


async def test_no_bookmark_passes_what_was_not_told(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes back from a bookmark would never see it."""
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.0)
    watcher = setting.watcher(bookmarks=True)
    await setting.put("a")
    assert watcher.bookmark() is None
    watcher.take()
    bookmark = watcher.bookmark()
    assert bookmark and bookmark.revision == setting.caches.revision


async def test_bookmarks_come_in_their_time_and_before_the_end(
    setting: Setting, monkeypatch: pytest.MonkeyPatch
) -> None:
    bookmark = ("BOOKMARK", "")
    monkeypatch.setattr(watching, "BEFORE_THE_END", 100.0)
    assert await told(setting.watcher(seconds=100.0, bookmarks=True), 1) == [bookmark]
    monkeypatch.setattr(watching, "BEFORE_THE_END", 2.0)
    monkeypatch.setattr(watching, "BOOKMARK_SECONDS", 0.02)
    assert await told(setting.watcher(bookmarks=True), 3) == [bookmark] * 3
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


def bound_pod(name: str, node: str) -> bytes:
    metadata = {"name": name, "namespace": "n"}
    return stored_bytes({"kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": {"nodeName": node}})


def on(node: str) -> Selection:
    return Selection(fields=[FieldTerm("spec.nodeName", node, True, node_of)])


def node_of(pod: dict[str, Any]) -> str:
    return str(pod["spec"].get("nodeName", ""))


async def test_a_change_wakes_the_watches_that_it_concerns_and_no_others(setting: Setting) -> None:
    watchers = {node: setting.watcher(on(node)) for node in ("n1", "n2", "n3")}
    waiting = {node: asyncio.ensure_future(watcher.wait()) for node, watcher in watchers.items()}
    for node in ("", "n1", "n2"):  # the last is news for two: it has left one, and come to the other
        await setting.store.commit({"/registry/core/pods/n/a": bound_pod("a", node)})
    await setting.caches.fresh()
    await asyncio.wait_for(asyncio.gather(waiting["n1"], waiting["n2"]), 10)
    assert not waiting["n3"].done() and watchers["n3"].take()[1] == []
    told = {node: [select(one, on(node)) for one in watchers[node].take()[1]] for node in ("n1", "n2")}
    assert {node: [one and one.type for one in found] for node, found in told.items()} == {
        "n1": ["ADDED", "DELETED"],
        "n2": ["ADDED"],
    }
    waiting["n3"].cancel()


async def test_a_watch_of_few_begins_with_what_happened_since_its_revision(setting: Setting) -> None:
    begin = setting.caches.revision
    for name, node in (("a", "n1"), ("b", "n2"), ("c", "n1")):
        await setting.store.commit({f"/registry/core/pods/n/{name}": bound_pod(name, node)})
    await setting.caches.fresh()
    position = setting.cache.log.position(begin)
    assert position is not None
    changes = follow(setting.cache.log, on("n1"), position)
    assert [one.new and one.new.name for one in changes.take()[1]] == ["a", "c"]


async def test_who_does_not_take_few_changes_is_cut_off_too(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "MOST_PENDING", 2)
    slow, quiet = setting.watcher(Selection("n", "a")), setting.watcher(Selection("n", "z"))
    for number in range(4):
        await setting.put("a", x=str(number))
    with pytest.raises(StatusError) as caught:
        slow.take()
    assert caught.value.code == 410 and quiet.take()[1] == []


async def test_the_end_of_the_caches_is_told_to_who_watches_few(setting: Setting) -> None:
    reading = asyncio.ensure_future(told(setting.watcher(Selection("n", "a")), 1))
    await asyncio.sleep(0)
    await setting.caches.close()
    assert await asyncio.wait_for(reading, 10) == []


async def test_a_watch_that_is_gone_is_forgotten(setting: Setting) -> None:
    watcher = setting.watcher(Selection("n", "a"))
    assert len(list(setting.cache.log.topics.all())) == 1
    del watcher
    await setting.put("a")
    assert list(setting.cache.log.topics.all()) == [] and not any(setting.cache.log.topics._boxes.values())


async def test_a_list_by_node_is_what_a_look_at_all_would_find(setting: Setting) -> None:
    for name, node in (("a", "n1"), ("b", "n2"), ("c", "n1"), ("a", "n2"), ("d", "n1")):
        await setting.store.commit({f"/registry/core/pods/n/{name}": bound_pod(name, node)})
        await setting.caches.fresh()
        for one in ("n1", "n2", "n3"):
            wanted = [item.key for item in setting.cache.walk(Selection()) if node_of(item.view()) == one]
            assert [item.key for item in setting.cache.list(on(one)).items] == wanted
    await setting.take("c")
    part = setting.cache.list(on("n2"), limit=1)
    assert ([item.name for item in part.items], part.more) == (["a"], "n/a")
    assert [item.name for item in setting.cache.list(on("n2"), after="n/a\0").items] == ["b"]
    assert [item.name for item in setting.cache.list(on("n1")).items] == ["d"]
