"""A store behaves as the simplest model of it: a list of states, one for each revision, whatever is done to it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.kit.clock import SECOND, ManualClock
from corral.store.housekeeping import KEEP_REVISIONS, KEEP_TIME, Mark, plan_compaction
from corral.store.interface import Compacted, Entry, Mismatch, Store, after_prefix
from corral.store.memory import MemoryStore
from corral.store.sqlite import open_sqlite
from tests.support.stores import apply, happened

_KEYS = st.text(st.sampled_from("ab/\ud7ff\ue000\U0010ffff"), min_size=1, max_size=3)
_PREFIXES = _KEYS | st.just("")
_COMMITS = st.tuples(
    st.just("commit"),
    st.dictionaries(_KEYS, st.binary(max_size=20), max_size=4),
    st.sets(_KEYS, max_size=3),
    st.dictionaries(_KEYS, st.integers(-1, 3), max_size=1),  # what is expected: how far off (3: not to be there)
    st.integers(0, 2),  # with which lease
)
_STEPS = st.lists(
    st.one_of(
        _COMMITS,
        st.tuples(st.sampled_from(["reopen", "compact", "wait"]), st.integers(0, 12)),
        st.tuples(st.sampled_from(["revoke", "keep"]), st.integers(1, 2)),
    ),
    max_size=14,
)


@dataclass
class Model:
    """`states[r]` is what was there at revision r; leases have 10 seconds."""

    states: list[dict[str, Entry]] = field(default_factory=lambda: [{}])
    compacted: int = 0
    leases: dict[int, int] = field(default_factory=dict)

    @property
    def now(self) -> dict[str, Entry]:
        return self.states[-1]

    def modified(self, key: str) -> int:
        return self.now[key].modified if key in self.now else 0

    def change(self, puts: dict[str, bytes], deletes: set[str], lease: int = 0) -> None:
        revision, state = len(self.states), {k: e for k, e in self.now.items() if k not in deletes}
        if not puts and len(state) == len(self.now):
            return
        for key, value in puts.items():
            state[key] = Entry(key, value, self.now[key].created if key in self.now else revision, revision, lease)
        self.states.append(state)

    def end(self, lease: int) -> None:
        del self.leases[lease]
        self.change({}, {key for key, entry in self.now.items() if entry.lease == lease})


async def _do(store: Store, model: Model, clock: ManualClock, step: tuple[object, ...]) -> None:
    match step:
        case ("commit", dict(puts), set(deletes), dict(expect), int(lease)):
            held = lease if lease in model.leases else 0
            meant = {key: 0 if off == 3 else max(0, model.modified(key) + off) for key, off in expect.items()}
            gone = deletes - puts.keys()
            if all(model.modified(key) == revision for key, revision in meant.items()):
                model.change(puts, gone, held)
                assert await store.commit(puts, gone, expect=meant, lease=held) == len(model.states) - 1
            else:
                try:
                    await store.commit(puts, gone, expect=meant, lease=held)
                except Mismatch as error:
                    assert error.found == model.modified(error.key) != error.expected == meant[error.key]
                else:
                    raise AssertionError("a commit was made that expected something else")
        case ("compact", int(back)):
            revision = max(0, len(model.states) - 1 - back)
            model.compacted = max(model.compacted, revision)
            await store.compact(revision)
        case ("revoke", int(lease)) if lease in model.leases:
            model.end(lease)
            await store.revoke(lease)
        case ("keep", int(lease)) if lease in model.leases:
            model.leases[lease] = clock.now() + 10 * SECOND
            await store.keep_alive(lease)
        case ("wait", int(seconds)):
            clock.advance(seconds * SECOND)
            for lease, over in sorted(model.leases.items(), key=lambda item: (item[1], item[0])):
                if over <= clock.now():
                    model.end(lease)
            await store.expire()  # type: ignore[attr-defined]


async def _compare(store: Store, model: Model, prefix: str, limit: int) -> None:
    last = len(model.states) - 1
    assert store.revision == last
    for revision, state in enumerate(model.states):
        expected = sorted(entry for key, entry in state.items() if key.startswith(prefix))
        if revision < model.compacted:
            for call in (store.range(prefix, revision=revision), store.get("a", revision)):
                try:
                    await call
                except Compacted as error:
                    assert error.oldest == model.compacted
                else:
                    raise AssertionError("the compacted past was read")
            continue
        found, start = list[Entry](), ""
        while True:
            page = await store.range(prefix, start=start, limit=limit, revision=revision)
            found += page.entries
            assert page.remaining == len(expected) - len(found)
            if not page.remaining:
                break
            start = found[-1].key + "\0"
        assert found == expected
        for key in ("a", *state):
            assert await store.get(key, revision) == state.get(key)
        changed = [r for r in range(revision + 1, last + 1) if _of(prefix, model.states[r - 1], model.states[r])]
        if changed:
            changes = await happened(store, prefix, revision, changed[-1])
            assert sorted({change.revision for change in changes}) == changed
            start_state = {entry.key: _plain(entry) for entry in expected}
            plain = (c._replace(previous=c.previous and _plain(c.previous)) for c in changes)
            assert apply(plain, start_state) == {k: _plain(e) for k, e in model.now.items() if k.startswith(prefix)}


def _of(prefix: str, before: dict[str, Entry], after: dict[str, Entry]) -> bool:
    return any(key.startswith(prefix) for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def _plain(entry: Entry) -> Entry:
    """Changes do not tell of leases."""
    return entry._replace(lease=0)


@settings(max_examples=60, deadline=None)
@given(_STEPS, _PREFIXES, st.integers(1, 3))
def test_a_store_is_what_its_model_says(steps: list[tuple[object, ...]], prefix: str, limit: int) -> None:
    async def check(store: Store, path: str, clock: ManualClock) -> None:
        model = Model()
        for _ in range(2):
            model.leases[await store.grant(10)] = clock.now() + 10 * SECOND
        live, seen = store.watch("", 0), dict[str, Entry]()
        for step in steps:
            if step[0] == "reopen":
                if path:
                    live.close()
                    store.close()
                    store = open_sqlite(path, history=True, clock=clock)
                    live, seen = store.watch("", store.revision), {k: _plain(e) for k, e in model.now.items()}
            else:
                await _do(store, model, clock, step)
        await _compare(store, model, prefix, limit)
        last = await store.commit({"end": b""})
        model.change({"end": b""}, set())
        while live.progress() < last:
            plain = (c._replace(previous=c.previous and _plain(c.previous)) for c in await anext(live))
            seen = apply(plain, seen)
        assert seen == {k: _plain(e) for k, e in model.now.items()}
        live.close()
        store.close()

    clock = ManualClock(SECOND)
    asyncio.run(check(MemoryStore(clock), "", clock))
    with tempfile.TemporaryDirectory() as place:
        path, clock = os.path.join(place, "store.db"), ManualClock(SECOND)
        asyncio.run(check(open_sqlite(path, history=True, clock=clock), path, clock))


@given(st.text(max_size=4), st.text(max_size=6))
def test_after_prefix_bounds_exactly_what_starts_with_the_prefix(prefix: str, text: str) -> None:
    end = after_prefix(prefix)
    for candidate in (text, prefix + text):
        assert candidate.startswith(prefix) == (candidate >= prefix and (end is None or candidate < end))


@given(st.lists(st.tuples(st.integers(0, 2 * KEEP_TIME), st.integers(0, 9000)), max_size=20), st.integers(0, KEEP_TIME))
def test_a_compaction_never_takes_what_is_young_or_among_the_last(steps: list[tuple[int, int]], rest: int) -> None:
    marks, at, revision = list[Mark](), 0, 0
    for wait, commits in steps:
        at, revision = at + wait, revision + commits
        marks.append(Mark(at, revision))
    now = at + rest
    found = plan_compaction(marks, now)
    assert 0 <= found <= max(0, revision - KEEP_REVISIONS)
    if found:
        assert any(mark.at <= now - KEEP_TIME and mark.revision >= found for mark in marks)
