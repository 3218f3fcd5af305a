"""What every store promises of its watches: no gap, no duplicate, in order, from any revision that is still there."""

from __future__ import annotations

import asyncio
import random

import pytest

from corral.errors import Unavailable
from corral.store import watching
from corral.store.interface import Change, Compacted, Entry, Lagging, Store
from tests.support.stores import apply, happened, take


async def test_a_watch_tells_of_what_comes_and_what_came(store: Store) -> None:
    base = store.revision
    live = store.watch("p/", base)
    await store.commit({"p/b": b"1", "p/a": b"1", "q": b"1"})
    await store.commit({"q": b"2"})
    await store.commit({"p/a": b"2"}, ["p/b"])
    await store.commit({"p/b": b"3"})
    expected = [
        Change(base + 1, "p/a", b"1", None),
        Change(base + 1, "p/b", b"1", None),
        Change(base + 3, "p/a", b"2", Entry("p/a", b"1", base + 1, base + 1)),
        Change(base + 3, "p/b", None, Entry("p/b", b"1", base + 1, base + 1)),
        Change(base + 4, "p/b", b"3", None),
    ]
    assert await take(live, base + 4) == expected
    live.close()
    for after in range(base, base + 4):
        assert await happened(store, "p/", after, base + 4) == [c for c in expected if c.revision > after]


async def test_a_watch_of_the_future_begins_there(store: Store) -> None:
    base = store.revision
    watch = store.watch("", base + 2)
    await store.commit({"a": b"1"})
    await store.commit({"a": b"2"})
    await store.commit({"a": b"3"})
    assert [change.value for change in await take(watch, base + 3)] == [b"3"]
    watch.close()


async def test_watches_miss_nothing_while_many_write(store: Store) -> None:
    """Writers change some keys; watches start meanwhile, at the present and in the past; all end up with the same."""
    base, chance = store.revision, random.Random(1)

    async def write(n: int) -> None:
        for step in range(30):
            puts = {f"k/{chance.randrange(20)}": b"%d %d" % (n, step) for _ in range(3)}
            await store.commit(puts, {f"k/{chance.randrange(20)}" for _ in range(2)} - puts.keys())

    async def follow(delay: int, stop: asyncio.Event) -> list[Change]:
        for _ in range(delay):
            await store.commit({f"tick/{delay}": b""})
        page = await store.range("k/")
        watch, state = store.watch("k/", page.revision), {entry.key: entry for entry in page.entries}
        await stop.wait()
        apply(await take(watch, end), state)
        watch.close()
        assert state == {entry.key: entry for entry in (await store.range("k/")).entries}
        return await happened(store, "k/", base, end)

    stop = asyncio.Event()
    followers = [asyncio.ensure_future(follow(delay, stop)) for delay in range(10)]
    await asyncio.gather(*(write(n) for n in range(8)))
    end = await store.commit({"k/end": b""})
    stop.set()
    histories = await asyncio.gather(*followers)
    assert all(history == histories[0] for history in histories)
    assert len({(change.revision, change.key) for change in histories[0]}) == len(histories[0])
    assert list(apply(histories[0], {})) and histories[0][-1].revision == end


async def test_a_long_history_is_replayed_and_joined_to_what_comes(store: Store) -> None:
    base = store.revision
    for first in range(0, 2500, 250):
        await asyncio.gather(*(store.commit({f"k/{n % 300}": b"%d" % n}) for n in range(first, first + 250)))
    watch = store.watch("", base)
    await asyncio.gather(*(store.commit({"new": b"%d" % n}) for n in range(50)))
    changes = await take(watch, base + 2550)
    assert [change.revision for change in changes] == list(range(base + 1, base + 2551))
    apply(changes, {})
    watch.close()


async def test_a_compacted_past_cannot_be_watched(store: Store) -> None:
    base = await store.commit({"a": b"1"})
    for n in range(5):
        await store.commit({"a": b"%d" % n})
    await store.compact(base + 2)
    for after in (base - 1, base + 1):
        watch = store.watch("", after)
        for _ in range(2):  # for good
            with pytest.raises(Compacted):
                await anext(watch)
        watch.close()
    assert [c.revision for c in await happened(store, "", base + 2, base + 5)] == [base + 3, base + 4, base + 5]


async def test_a_change_after_a_compaction_still_tells_what_was_there(store: Store) -> None:
    base = await store.commit({"a": b"1", "b": b"1"})
    await store.compact(base)
    await store.commit({"a": b"2"}, ["b"])
    assert [change.previous for change in await happened(store, "", base, base + 1)] == [
        Entry("a", b"1", base, base),
        Entry("b", b"1", base, base),
    ]


async def test_a_slow_watch_is_cut_off_and_nobody_else(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_BEHIND", 50)
    base = store.revision
    slow, narrow, quick = store.watch("", base), store.watch("other/", base), store.watch("k", base)
    seen = list[Change]()
    for n in range(80):
        await store.commit({"k": b"%d" % n})
        seen += await take(quick, base + 1 + n)
    with pytest.raises(Lagging, match="cut off"):
        await take(slow, base + 80)
    assert slow.progress() == base
    assert [change.revision for change in seen] == list(range(base + 1, base + 81))
    last = await store.commit({"other/1": b""})
    assert [change.key for change in await take(narrow, last)] == ["other/1"]
    for watch in (slow, narrow, quick):
        watch.close()


async def test_a_watch_with_too_many_bytes_behind_it_is_cut_off(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_BYTES", 100_000)
    watch = store.watch("", store.revision)
    for n in range(5):  # read in time, they may be as many as they like
        await take(watch, await store.commit({"a": b"%d" % n * 50_000}))
    other = store.watch("", store.revision)
    for _ in range(3):
        last = await store.commit({"a": b"1" * 50_000})
        await take(watch, last)
    with pytest.raises(Lagging):
        await take(other, last)
    watch.close()
    other.close()


async def test_progress_is_what_was_handed_out(store: Store) -> None:
    base = store.revision
    watch = store.watch("p/", base)
    assert watch.progress() == base
    await store.commit({"p/a": b""})
    last = await store.commit({"p/b": b""})
    await take(watch, last)
    assert watch.progress() == last
    watch.close()


async def test_progress_follows_commits_elsewhere(local: Store) -> None:
    watch = local.watch("p/", local.revision)
    await local.commit({"p/a": b""})
    await local.commit({"elsewhere": b""})
    await asyncio.sleep(0)
    assert watch.progress() == 0  # p/a waits
    await anext(watch)
    last = await local.commit({"elsewhere": b""})
    await asyncio.sleep(0)
    assert watch.progress() == last == local.revision
    watch.close()


async def test_a_closed_watch_ends_even_while_somebody_waits(store: Store) -> None:
    watch = store.watch("", store.revision)
    reading = asyncio.ensure_future(anext(watch, None))
    await asyncio.sleep(0)
    watch.close()
    watch.close()
    assert await reading is None
    await store.commit({"a": b""})
    assert [changes async for changes in watch] == []


async def test_a_cancelled_reader_loses_nothing(store: Store) -> None:
    base = store.revision
    watch, found = store.watch("", base), list[Change]()
    for n in range(20):
        reading = asyncio.ensure_future(anext(watch))
        if n % 3:
            await asyncio.sleep(0)
        await asyncio.gather(store.commit({"a": b"%d" % n}), asyncio.sleep(0))
        reading.cancel()
        (outcome,) = await asyncio.gather(reading, return_exceptions=True)
        found += outcome if isinstance(outcome, list) else []
    last = await store.commit({"a": b"last"})
    found += await take(watch, last)
    assert [change.revision for change in found] == list(range(base + 1, last + 1))
    watch.close()


async def test_watches_end_with_their_store(store: Store) -> None:
    watch = store.watch("", store.revision)
    reading = asyncio.ensure_future(anext(watch))
    await asyncio.sleep(0)
    store.close()
    with pytest.raises(Unavailable, match="closed"):
        await reading
    watch.close()


async def test_a_watch_of_everything_hears_of_the_latest_revision(store: Store) -> None:
    """Even if nothing of ours has it: who waits for it does not wait for ever."""
    base = await store.commit({"a": b"1"})
    watch = store.watch("", base - 1)
    assert await store.latest() >= base
    made = await store.commit({"a": b"2"})
    latest = await store.latest()
    assert latest >= made
    seen = 0
    while seen < latest:
        seen = (await anext(watch))[-1].revision
    watch.close()
