"""Short ways to look into a store."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from corral.store.interface import Change, Entry, Store, Watch
from tests.support.wait import PATIENCE


async def keys(store: Store, prefix: str = "") -> list[str]:
    return [entry.key for entry in (await store.range(prefix)).entries]


async def value(store: Store, key: str, revision: int | None = None) -> bytes | None:
    entry = await store.get(key, revision)
    return entry.value if entry else None


async def values(store: Store, prefix: str = "", revision: int | None = None) -> list[tuple[str, bytes]]:
    return [(entry.key, entry.value) for entry in (await store.range(prefix, revision=revision)).entries]


async def take(watch: Watch, until: int) -> list[Change]:
    """The next changes, up to the one that has the revision `until`."""
    found: list[Change] = []
    async with asyncio.timeout(20 * PATIENCE):
        while not found or found[-1].revision < until:
            found += await anext(watch)
    return found


async def happened(store: Store, prefix: str, after: int, until: int) -> list[Change]:
    """All changes under a prefix between two revisions, the last of which has one."""
    watch = store.watch(prefix, after)
    try:
        return await take(watch, until)
    finally:
        watch.close()


def apply(changes: Iterable[Change], state: dict[str, Entry]) -> dict[str, Entry]:
    """Carries out changes on what was there before; each must fit.

    :raises AssertionError: a change says that something else was there before, or comes out of order.
    """
    last = 0
    for change in changes:
        assert change.revision >= last, "out of order"
        last = change.revision
        assert change.previous == state.get(change.key), f"not what was there: {change}"
        if change.value is None:
            assert state.pop(change.key, None), f"was not there: {change}"
        else:
            created = change.previous.created if change.previous else change.revision
            state[change.key] = Entry(change.key, change.value, created, change.revision)
    return state
