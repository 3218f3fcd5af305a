"""Stores side by side: ours in a SQLite file, and etcd where it is installed, each through the same interface."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from statistics import median

from bench.statistics import Row, Target, collect
from corral.store.interface import Store
from corral.store.sqlite import open_sqlite
from tests.support.etcd import EtcdServer

VALUE = bytes(range(250)) * 4  # the size of a small object
WRITERS = 200
ROWS = {
    "commits one by one": ("/s", ()),
    "commits of many at once": ("/s", (Target("least", 10_000),)),
    "get": ("µs", (Target("most", 50),)),
    "list of 10,000": ("ms", ()),
    "from a commit to a watch": ("µs", ()),
    "replay of 10,000 changes": ("ms", ()),
}


@asynccontextmanager
async def ours(folder: Path) -> AsyncIterator[Store]:
    store = open_sqlite(str(folder / "store.db"), history=True)
    try:
        yield store
    finally:
        store.close()


@asynccontextmanager
async def etcd(folder: Path) -> AsyncIterator[Store]:
    from corral.store.etcd import open_etcd  # an extra

    with EtcdServer(folder) as server:
        store = await open_etcd([server.endpoint])
        try:
            yield store
        finally:
            store.close()
            await store.closed()


def kinds() -> Mapping[str, Callable[[Path], AbstractAsyncContextManager[Store]]]:
    """Those that can be measured here."""
    return {"corral": ours} | ({"etcd": etcd} if shutil.which("etcd") else {})


async def sample(store: Store, requests: int) -> dict[str, float]:
    found = {"commits one by one": await _one_by_one(store, requests // 4)}
    found["commits of many at once"] = await _at_once(store, requests * 4)
    found["get"] = await _gets(store, requests)
    base = store.revision
    await asyncio.gather(*(store.commit(_some(n)) for n in range(0, 10_000, 100)))
    begin = time.perf_counter()
    page = await store.range("list/")
    found["list of 10,000"] = (time.perf_counter() - begin) * 1e3
    assert len(page.entries) == 10_000
    found["from a commit to a watch"] = await _latency(store, requests // 8)
    found["replay of 10,000 changes"] = await _replay(store, base)
    return found


def _some(first: int) -> dict[str, bytes]:
    return {f"list/{n}": VALUE for n in range(first, first + 100)}


async def _one_by_one(store: Store, count: int) -> float:
    begin = time.perf_counter()
    for n in range(count):
        await store.commit({f"one/{n}": VALUE})
    return count / (time.perf_counter() - begin)


async def _at_once(store: Store, count: int) -> float:
    """Half of them make keys, half change them: each writer does both in turns."""

    async def write(name: int) -> None:
        for n in range(count // WRITERS // 2):
            await store.commit({f"many/{name}/{n}": VALUE})
            await store.commit({f"many/{name}/{n // 2}": VALUE})

    begin = time.perf_counter()
    await asyncio.gather(*(write(name) for name in range(WRITERS)))
    return count / (time.perf_counter() - begin)


async def _gets(store: Store, count: int) -> float:
    begin = time.perf_counter()
    for n in range(count):
        assert await store.get(f"many/{n % WRITERS}/0")
    return (time.perf_counter() - begin) / count * 1e6


async def _latency(store: Store, count: int) -> float:
    """The median time from asking for a commit to its arrival at a watch."""
    watch, times = store.watch("one/", store.revision), []
    for _ in range(count):
        begin = time.perf_counter()
        commit = asyncio.ensure_future(store.commit({"one/0": VALUE}))
        await anext(watch)
        times.append(time.perf_counter() - begin)
        await commit
    watch.close()
    return median(times) * 1e6


async def _replay(store: Store, base: int) -> float:
    watch, seen = store.watch("list/", base), 0
    begin = time.perf_counter()
    while seen < 10_000:
        seen += len(await anext(watch))
    watch.close()
    return (time.perf_counter() - begin) * 1e3


def measured(folder: Path, requests: int, rounds: int) -> list[Row]:
    """A B, A B, …: each round in a store of its own."""

    async def take(place: Path, start: Callable[[Path], AbstractAsyncContextManager[Store]]) -> dict[str, float]:
        async with start(place) as store:
            return await sample(store, requests)

    samples = []
    for number in range(rounds):
        for name, start in kinds().items():
            place = folder / f"store-{name}-{number}"
            place.mkdir()
            samples.append((name, asyncio.run(take(place, start))))
            shutil.rmtree(place)
    found = collect(samples)
    return [Row(f"store: {name}", unit, found.get(name, {}), targets) for name, (unit, targets) in ROWS.items()]
