"""A store behaves as a dictionary that survives being closed and opened."""

from __future__ import annotations

import asyncio
import os
import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from corral.store.interface import after_prefix
from corral.store.sqlite import open_sqlite

_KEYS = st.text(st.sampled_from("ab/\ud7ff\ue000\U0010ffff"), min_size=1, max_size=3)
_COMMITS = st.tuples(st.dictionaries(_KEYS, st.binary(max_size=20), max_size=4), st.sets(_KEYS, max_size=3))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.one_of(_COMMITS, st.just("reopen")), max_size=12), _KEYS | st.just(""))
def test_a_store_is_a_durable_dictionary(steps: list[object], prefix: str) -> None:
    async def check() -> None:
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "store.db")
            store, model = open_sqlite(path), dict[str, bytes]()
            for step in steps:
                if not isinstance(step, tuple):
                    store.close()
                    store = open_sqlite(path)
                    continue
                puts, deletes = step
                await store.commit(puts, deletes - puts.keys())
                model = {k: v for k, v in model.items() if k not in deletes} | puts
            found = [(entry.key, entry.value) for entry in (await store.range(prefix)).entries]
            assert found == sorted((k, v) for k, v in model.items() if k.startswith(prefix))
            for key in model.keys() | {"a"}:
                entry = await store.get(key)
                assert (entry.value if entry else None) == model.get(key)
            store.close()

    asyncio.run(check())


@given(st.text(max_size=4), st.text(max_size=6))
def test_after_prefix_bounds_exactly_what_starts_with_the_prefix(prefix: str, text: str) -> None:
    end = after_prefix(prefix)
    for candidate in (text, prefix + text):
        assert candidate.startswith(prefix) == (candidate >= prefix and (end is None or candidate < end))
