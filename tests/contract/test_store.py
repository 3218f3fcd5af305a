"""What every store promises of its keys and values, now and in the past, run against each backend."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from corral.errors import InvalidInput, Unavailable
from corral.kit.clock import SECOND, ManualClock
from corral.store.housekeeping import KEEP_REVISIONS, KEEP_TIME
from corral.store.interface import MAX_LEASE, Compacted, Entry, Mismatch, NoLease, NotYet, Store
from tests.support.stores import happened, keys, value, values


async def test_nothing_is_there_at_first(store: Store) -> None:
    assert await store.get("a") is None
    assert await store.range("") == ([], store.revision, 0)
    assert await store.commit({}) == store.revision


async def test_a_commit_puts_and_deletes_together_and_counts_revisions(store: Store) -> None:
    base = store.revision
    assert await store.commit({"a": b"1", "b": b"2"}) == base + 1
    assert await store.commit({"c": b"3"}, ["a", "never-there"]) == base + 2
    assert store.revision == base + 2
    assert await store.get("a") is None
    assert await values(store) == [("b", b"2"), ("c", b"3")]


async def test_a_commit_that_changes_nothing_has_no_revision_of_its_own(store: Store) -> None:
    base = await store.commit({"a": b"1"})
    assert await store.commit({}, []) == base
    assert await store.commit({}, ["never-there"]) == base
    assert await store.commit({"a": b"1"}) == base + 1  # the same value is a change


async def test_an_entry_tells_when_it_was_created_and_last_changed(store: Store) -> None:
    base = await store.commit({"a": b"1", "b": b"1"})
    await store.commit({"a": b"2"})
    await store.commit({}, ["b"])
    await store.commit({"b": b"3"})
    assert (await store.range("")).entries == [
        Entry("a", b"2", base, base + 1),
        Entry("b", b"3", base + 3, base + 3),
    ]
    assert await store.get("a") == Entry("a", b"2", base, base + 1)


async def test_a_value_may_be_empty_and_any_bytes(store: Store) -> None:
    await store.commit({"empty": b"", "all": bytes(range(256)) * 1000})
    assert await value(store, "empty") == b""
    assert await value(store, "all") == bytes(range(256)) * 1000


async def test_a_range_takes_exactly_the_prefix_in_order_of_code_points(store: Store) -> None:
    made = ["p/", "p/z", "p/a", "p", "p0", "p/\U0010ffff", "p/é", "P/a", "p/%", "p/_", "\ud7ffx", "\ue000"]
    await store.commit({key: key.encode() for key in made})
    assert await keys(store, "p/") == ["p/", "p/%", "p/_", "p/a", "p/z", "p/é", "p/\U0010ffff"]
    assert await keys(store, "p/\U0010ffff") == ["p/\U0010ffff"]
    assert await keys(store, "\ud7ff") == ["\ud7ffx"]
    assert await keys(store) == sorted(made)


async def test_a_range_is_read_in_pages_of_one_revision_while_the_keys_change(store: Store) -> None:
    base = await store.commit({f"k/{n:02}": b"old" for n in range(25)} | {"j": b"", "l": b""})
    page = await store.range("k/", limit=10)
    assert ([e.key for e in page.entries], page.revision, page.remaining) == (
        [f"k/{n:02}" for n in range(10)],
        base,
        15,
    )
    await store.commit({"k/05": b"new", "k/12": b"new", "k/99": b"new"}, ["k/11", "k/24"])
    found = list(page.entries)
    while page.remaining:
        page = await store.range("k/", start=found[-1].key + "\0", limit=10, revision=page.revision)
        found += page.entries
        assert (page.revision, page.remaining) == (base, 25 - len(found))
    assert found == [Entry(f"k/{n:02}", b"old", base, base) for n in range(25)]
    assert (await store.range("k/", limit=24)).remaining == 0
    assert (await store.range("k/", limit=23)).remaining == 1
    assert [e.key for e in (await store.range("k/", start="a", limit=1)).entries] == ["k/00"]
    assert (await store.range("k/", start="l")).entries == []


async def test_the_past_can_be_read_until_it_is_compacted(store: Store) -> None:
    base = await store.commit({"a": b"1", "b": b"1"})
    await store.commit({"a": b"2"}, ["b"])
    await store.commit({"b": b"3", "c": b"3"})
    states = {
        base: [("a", b"1"), ("b", b"1")],
        base + 1: [("a", b"2")],
        base + 2: [("a", b"2"), ("b", b"3"), ("c", b"3")],
    }
    for revision, state in states.items():
        assert await values(store, revision=revision) == state
        for key in "abc":
            assert await value(store, key, revision) == dict(state).get(key)
    assert (await store.get("b", base)) == Entry("b", b"1", base, base)
    await store.compact(base + 1)
    await store.compact(base)  # it already is
    for revision in (base, 0):
        with pytest.raises(Compacted):
            await store.get("a", revision)
        with pytest.raises(Compacted):
            await store.range("", revision=revision)
    for revision in (base + 1, base + 2):
        assert await values(store, revision=revision) == states[revision]


async def test_the_future_cannot_be_read_or_compacted(store: Store) -> None:
    future = await store.commit({"a": b"1"}) + 5
    for call in (store.get("a", future), store.range("", revision=future), store.compact(future)):
        with pytest.raises(NotYet) as caught:
            await call
        assert (caught.value.revision, caught.value.current) == (future, future - 5)


async def test_old_revisions_go_by_themselves(local: Store, clock: ManualClock) -> None:
    first = await local.commit({"old": b"1"})
    await local.commit({"old": b"2"})
    await asyncio.gather(*(local.commit({f"k/{n % 100}": b""}) for n in range(KEEP_REVISIONS)))
    assert await value(local, "old", first) == b"1"  # not among the last ones, but young
    for _ in range(2):
        clock.advance(KEEP_TIME)
        await local.commit({"tick": b""})
    with pytest.raises(Compacted) as caught:
        await local.get("old", first)
    assert caught.value.oldest <= local.revision - KEEP_REVISIONS
    assert await value(local, "old", local.revision - KEEP_REVISIONS) == b"2"


# --- expectations ---


async def test_a_commit_may_expect_what_is_there(store: Store) -> None:
    first = await store.commit({"a": b"1"}, expect={"a": 0})
    second = await store.commit({"a": b"2"}, expect={"a": first, "other": 0})
    assert await store.commit({}, ["a"], expect={"a": second}) == second + 1
    assert await store.commit({}, expect={"a": 0}) == second + 1


@pytest.mark.parametrize(("key", "expected"), [("a", 0), ("a", 7), ("b", 7)])
async def test_a_commit_that_expected_something_else_does_nothing(store: Store, key: str, expected: int) -> None:
    base = await store.commit({"a": b"1"})
    with pytest.raises(Mismatch) as caught:
        await store.commit({"a": b"2", "c": b""}, ["b"], expect={"c": 0, key: expected and base + expected})
    found = base if key == "a" else 0
    assert (caught.value.key, caught.value.found) == (key, found)
    assert await values(store) == [("a", b"1")]
    assert store.revision == base


async def test_of_many_who_expect_the_same_one_wins_and_each_win_is_seen_by_the_next(store: Store) -> None:
    await store.commit({"counter": b"0"})

    async def count() -> int:
        lost = 0
        for _ in range(10):
            while True:
                entry = await store.get("counter")
                assert entry
                await asyncio.sleep(0)  # the others' turn
                try:
                    await store.commit({"counter": b"%d" % (int(entry.value) + 1)}, expect={"counter": entry.modified})
                    break
                except Mismatch:
                    lost += 1
        return lost

    lost = await asyncio.gather(*(count() for _ in range(8)))
    assert await value(store, "counter") == b"80"
    assert sum(lost) > 0


async def test_a_failed_expectation_fails_its_own_commit_alone(store: Store) -> None:
    base = store.revision
    made = await asyncio.gather(
        *(store.commit({f"k/{n}": b""}, expect={"never": n % 2}) for n in range(40)), return_exceptions=True
    )
    assert all(isinstance(made[n], Mismatch) for n in range(1, 40, 2))
    assert {made[n] for n in range(0, 40, 2)} == set(range(base + 1, base + 21))
    assert await keys(store) == sorted(f"k/{n}" for n in range(0, 40, 2))


# --- what is refused, and what is not ---


async def test_the_callers_collections_stay_the_callers(store: Store) -> None:
    puts, deletes = {"a": b"1"}, ["b"]
    waiting = asyncio.ensure_future(store.commit(puts, iter(deletes)))
    await asyncio.sleep(0)
    puts["c"] = b"2"
    await waiting
    assert await values(store) == [("a", b"1")]


@pytest.mark.parametrize("key", ["", "a\0b", "\ud800", 7, None])
async def test_a_bad_key_is_refused_and_nothing_changes(store: Store, key: str) -> None:
    for call in (
        store.commit({"good": b"", key: b""}),
        store.commit({"good": b""}, [key]),
        store.commit({"good": b""}, expect={key: 0}),
        store.get(key),
        store.get(key, store.revision),
    ):
        with pytest.raises(InvalidInput):
            await call
    assert await keys(store) == []


async def test_what_no_backend_could_look_for_is_refused(store: Store) -> None:
    for call in (store.range("a\ud800"), store.range("a", start="a\udfff"), store.range("\ud800", limit=1)):
        with pytest.raises(InvalidInput, match="lone surrogate"):
            await call
    with pytest.raises(InvalidInput, match="lone surrogate"):
        store.watch("a\udc00", 0)


async def test_a_bad_commit_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="both put and deleted"):
        await store.commit({"a": b""}, ["a"])
    with pytest.raises(InvalidInput, match="not bytes"):
        await store.commit({"a": "text"})  # type: ignore[dict-item]
    with pytest.raises(InvalidInput, match="more than"):
        await store.commit({"a": bytes((64 << 20) + 1)})
    assert await keys(store) == []


async def test_values_are_kept_up_to_the_limit_and_beyond_it_refused(
    store: Store, request: pytest.FixtureRequest
) -> None:
    remote = "etcd" in request.node.name
    limit = 1_500_000 if remote else 64 << 20
    await store.commit({"large": b"x" * limit})
    assert await value(store, "large") == b"x" * limit
    with pytest.raises(InvalidInput):
        await store.commit({"larger": bytes(limit + (1 << 20))})
    assert await keys(store) == ["large"]


async def test_many_commits_at_once_each_have_a_revision(store: Store) -> None:
    base = store.revision
    revisions = await asyncio.gather(*(store.commit({f"k/{n}": b""}) for n in range(700)))
    assert sorted(revisions) == list(range(base + 1, base + 701))
    assert len(await keys(store, "k/")) == 700


async def test_commits_at_once_are_made_in_the_order_they_were_asked_for(local: Store) -> None:
    revisions = await asyncio.gather(*(local.commit({"last": b"%d" % n, f"k/{n}": b""}) for n in range(700)))
    assert revisions == list(range(1, 701))
    assert await value(local, "last") == b"699"


async def test_a_cancelled_waiter_disturbs_nobody(store: Store) -> None:
    base = store.revision
    tasks = [asyncio.ensure_future(store.commit({f"k/{n}": b""})) for n in range(10)]
    await asyncio.sleep(0)
    tasks[3].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[3], asyncio.CancelledError | int)  # in memory it was made at once
    assert len(await happened(store, "", base, base + 10)) == 10
    assert len(await keys(store, "k/")) == 10


async def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    calls = [store.get("a"), store.get("a", 1), store.range(""), store.commit({"a": b""}), store.compact(1)]
    for call in [*calls, store.grant(5), store.keep_alive(1), store.revoke(1)]:
        with pytest.raises(Unavailable, match="closed"):
            await call
    with pytest.raises(Unavailable, match="closed"):
        store.watch("", 0)


# --- leases ---


async def test_what_a_lease_holds_goes_when_it_is_revoked(store: Store) -> None:
    lease, other = await store.grant(60), await store.grant(60)
    assert 0 != lease != other != 0
    await store.commit({"a": b"", "b": b"", "c": b"", "d": b""}, lease=lease)
    await store.commit({"other": b""}, lease=other)
    await store.commit({"b": b""})  # stays from now on
    await store.commit({"c": b""}, lease=other)
    base = await store.commit({"z": b""})
    assert [e.lease for e in (await store.range("")).entries] == [lease, 0, other, lease, other, 0]
    await store.revoke(lease)
    gone = await happened(store, "", base, base + 1)
    assert [(change.key, change.value) for change in gone] == [("a", None), ("d", None)]
    assert await keys(store) == ["b", "c", "other", "z"]
    for call in (store.revoke(lease), store.keep_alive(lease), store.commit({"x": b""}, lease=lease)):
        with pytest.raises(NoLease):
            await call
    assert await keys(store) == ["b", "c", "other", "z"]
    await store.keep_alive(other)


async def test_a_lease_lasts_for_a_time_that_makes_sense(store: Store) -> None:
    await store.keep_alive(await store.grant(MAX_LEASE))
    for seconds in (0, -1, MAX_LEASE + 1):
        with pytest.raises(InvalidInput, match="lease lasts"):
            await store.grant(seconds)


async def test_a_lease_ends_unless_it_is_kept_alive(local: Store, clock: ManualClock) -> None:
    assert hasattr(local, "expire")
    lease, kept = await local.grant(10), await local.grant(10)
    await local.commit({"a": b"", "b": b""}, lease=lease)
    base = await local.commit({"kept": b""}, lease=kept)
    watch = local.watch("", base)
    clock.advance(6 * SECOND)
    await local.keep_alive(kept)
    clock.advance(6 * SECOND)
    await local.expire()
    assert [(c.key, c.value) for c in await anext(watch)] == [("a", None), ("b", None)]
    assert await keys(local) == ["kept"]
    with pytest.raises(NoLease):
        await local.keep_alive(lease)
    clock.advance(6 * SECOND)
    await local.expire()
    assert await keys(local) == []
    watch.close()


async def test_a_lease_ends_by_itself(store: Store, clock: ManualClock) -> None:
    """The only test that waits for the time: a second here, some more where etcd thinks that a lease is too short."""
    while True:
        lease = await store.grant(1)
        with suppress(NoLease):  # where it is over before it was used
            base = await store.commit({"a": b"1"}, lease=lease)
            break
    clock.advance(SECOND)
    (gone,) = await happened(store, "", base, base + 1)
    assert (gone.key, gone.value, gone.previous) == ("a", None, Entry("a", b"1", base, base, lease))
